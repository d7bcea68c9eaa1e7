// What is compiled for an instruction set: `instruction_set.inl` is included once for each, and fills in one `Kernels`.

#pragma once

#include <cstdint>

#include "common/buffer.h"
#include "common/program.h"

namespace goodminima {

// Images that one call of `Kernels::evaluate` shows together at most.
constexpr Size max_together = 8;

// Outputs of a convolution that are computed side by side at most.
constexpr Size max_outputs = 4;

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

struct ScreeningKernels;
struct TrainingKernels;
struct LocalSearchKernels;
struct GibbsKernels;

// All arrays have the lane innermost; pointers to floats are aligned to `alignment`. What all engines share is here, the rest
// in the tables of the engines.
struct Kernels {
    const char* name;
    Size lanes;
    // Logits [count][C][lanes] of `count` <= max_together images; they lie in the workspace until the next call.
    const float* (*evaluate)(const Program&, const float* theta, const float* images, Size count, Workspace&);
    // Members first .. first + lanes - 1 of theta[members][D] into block[D][lanes] (the last one again where there are
    // fewer), and the way back.
    void (*gather)(const float* theta, Size members, Size parameters, Size first, float* block);
    void (*scatter)(const float* block, Size members, Size parameters, Size first, float* theta);
    // rows[lanes][length] into block[length][lanes].
    void (*gather_rows)(const float* const* rows, Size length, float* block);
    // `rounds` x `spin_flops` floating-point operations in registers: what the machine can do at most.
    float (*spin)(std::int64_t rounds);
    Size spin_flops;
    const ScreeningKernels* screening;
    const TrainingKernels* training;
    const LocalSearchKernels* local_search;
    const GibbsKernels* gibbs;
};

}  // namespace goodminima
