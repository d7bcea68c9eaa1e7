// What an instruction set offers. `lanes.h` is compiled once for each, and fills in one `Engine`.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "program.h"

namespace goodminima {

// Images that one call of `Engine::evaluate` shows together at most.
constexpr Size max_together = 8;

// Outputs of a convolution that are computed side by side at most.
constexpr Size max_outputs = 4;

// Bytes to the largest vector register, so that no load straddles two cache lines.
constexpr std::size_t alignment = 64;

class Buffer {
  public:
    explicit Buffer(Size floats)
        : data_(static_cast<float*>(::operator new(bytes(floats), std::align_val_t(alignment)))) {
        std::fill(data_.get(), data_.get() + floats, 0.0f);
    }
    float* get() const { return data_.get(); }

  private:
    static std::size_t bytes(Size floats) {
        return static_cast<std::size_t>(std::max<Size>(floats, 1)) * sizeof(float);
    }
    struct Free {
        void operator()(float* pointer) const { ::operator delete(pointer, std::align_val_t(alignment)); }
    };
    std::unique_ptr<float, Free> data_;
};

// Scratch of one call: every thread has its own.
struct Workspace {
    Workspace(const Program& program, Size lanes)
        : theta(program.parameters * lanes),
          spatial{Buffer(program.largest_spatial * lanes), Buffer(program.largest_spatial * lanes)},
          band(max_outputs * program.largest_band * lanes),
          features(program.feature_size * max_together * lanes),
          flat{Buffer(program.largest_flat * max_together * lanes),
               Buffer(program.largest_flat * max_together * lanes)} {}
    Buffer theta;
    Buffer spatial[2];
    Buffer band;
    Buffer features;
    Buffer flat[2];
};

// A run of consecutive parameters: the weight of one layer, or what lies between two of them.
struct Run {
    Size begin, end;
    bool normalised;  // whether its Frobenius norm enters the normaliser
};

// What is drawn: numbers `half_width[i] * u`, u uniform on [-1, 1), cut into runs.
struct Draws {
    const float* half_width;
    std::vector<Run> runs;
    std::uint64_t seed;
    double unit;
};

// How one image judges the members: see `score` in lanes.h.
struct Bounds {
    float least_margin, largest_loss;
};

class GradientPlan;
struct GradientSpace;
struct SearchEngine;
struct NeuronEngine;

// How lanes do on an image each. Bit l: lane l is right; its image moves it not at all.
struct Judged {
    std::uint32_t right, quiet;
};

// A step of gradient descent: velocity = momentum x velocity + gradient, theta -= rate x velocity.
struct Motion {
    float rate, momentum;
    std::vector<Run> runs;
    double unit;
};

// What a step has done. Bit l: some parameter of lane l changed; its velocity is not 0; all its parameters are finite.
struct Moved {
    std::uint32_t changed, moving, finite;
};

// All arrays have the lane innermost; pointers to floats are aligned to `alignment`.
struct Engine {
    const char* name;
    Size lanes;
    // Fills theta[D][lanes] with guesses index[lanes], and scale[lanes] with 1 / normaliser, 0 where that overflows.
    void (*draw)(const Draws&, const std::uint64_t* index, float* theta, float* scale);
    // Logits [count][C][lanes] of `count` <= max_together images; they lie in the workspace until the next call.
    const float* (*evaluate)(const Program&, const float* theta, const float* images, Size count, Workspace&);
    // Adds an image to the members' loss and smallest margin. Bit l of the answer: lane l is still within bounds.
    std::uint32_t (*score)(const float* logits, Size num_classes, Size label, const float* scale, Bounds, float* loss,
                           float* margin);
    // The gradient of `share` x the summed cross entropies of `count` <= max_together images at `space.theta`, written
    // into `space.gradient`, or added to it.
    void (*gradient)(const GradientPlan&, const float* images, const std::int64_t* labels, Size count, float share,
                     bool add, GradientSpace& space);
    // Members first .. first + lanes - 1 of theta[members][D] into block[D][lanes] (the last one again where there are
    // fewer), and the way back.
    void (*gather)(const float* theta, Size members, Size parameters, Size first, float* block);
    void (*scatter)(const float* block, Size members, Size parameters, Size first, float* theta);
    // rows[lanes][length] into block[length][lanes].
    void (*gather_rows)(const float* const* rows, Size length, float* block);
    // How each lane does on a label of its own, and its loss.
    Judged (*judge)(const float* logits, Size num_classes, const std::int32_t* labels, const float* scale, float* loss);
    // Shows each lane `count` <= max_together images of its own, [count][input][lanes] with labels [count][lanes],
    // judges them, and adds `share` x the gradient of their cross entropies to `space.gradient`: nothing where `share`
    // is 0.
    void (*teach)(const GradientPlan&, const float* images, const std::int32_t* labels, Size count, const float* share,
                  const float* scale, GradientSpace& space, Judged* judged, float* losses);
    // A step of the lanes in `movers`, whose gradient is 0 afterwards; scale[lanes] = 1 / normaliser of all lanes, 0
    // where that overflows. `velocity` may be null without momentum.
    Moved (*move)(const Motion&, std::uint32_t movers, float* theta, float* velocity, float* gradient, float* scale);
    // `rounds` x `spin_flops` floating-point operations in registers: what the machine can do at most.
    float (*spin)(std::int64_t rounds);
    Size spin_flops;
    const SearchEngine* search;
    const NeuronEngine* neurons;
};

}  // namespace goodminima
