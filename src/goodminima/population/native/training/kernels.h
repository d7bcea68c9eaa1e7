// What training asks of an instruction set, beside evaluation.

#pragma once

#include <cstdint>

#include "common/dataset.h"
#include "training/gradient_plan.h"

namespace goodminima {

// How lanes do on an image each. Bit l: lane l is right; it is so sure that its image moves it not at all.
struct Classified {
    std::uint32_t correct, saturated;
};

// A step of gradient descent: velocity = momentum x velocity + gradient, theta -= rate x velocity.
struct Sgd {
    float rate, momentum;
    const Normaliser* normaliser;
};

// What a step has done. Bit l: some parameter of lane l changed; its velocity is not 0; all its parameters are finite.
struct StepResult {
    std::uint32_t changed, moving, finite;
};

struct TrainingKernels {
    // The gradient of `share` x the summed cross entropies of `count` <= max_together images at `space.theta`, written
    // into `space.gradient`, or added to it.
    void (*gradient)(const GradientPlan&, const float* images, const std::int64_t* labels, Size count, float share,
                     bool add, GradientSpace& space);
    // How each lane does on a label of its own, and its loss.
    Classified (*classify)(const float* logits, Size num_classes, const std::int32_t* labels, const float* scale,
                           float* loss);
    // Shows each lane `count` <= max_together images of its own, [count][input][lanes] with labels [count][lanes],
    // classifies them, and adds `share` x the gradient of their cross entropies to `space.gradient`: nothing where
    // `share` is 0.
    void (*accumulate)(const GradientPlan&, const float* images, const std::int32_t* labels, Size count,
                       const float* share, const float* scale, GradientSpace& space, Classified* classified,
                       float* losses);
    // A step of the lanes in `movers`, whose gradient is 0 afterwards; scale[lanes] = 1 / normaliser of all lanes, 0
    // where that overflows. `velocity` may be null without momentum.
    StepResult (*step)(const Sgd&, std::uint32_t movers, float* theta, float* velocity, float* gradient, float* scale);
};

}  // namespace goodminima
