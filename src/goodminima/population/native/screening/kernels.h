// What screening asks of an instruction set, beside evaluation.

#pragma once

#include <cstdint>

#include "common/dataset.h"
#include "common/program.h"

namespace goodminima {

// What a guess must keep to on every image.
struct Bounds {
    float least_margin, largest_loss;
};

struct ScreeningKernels {
    // Fills theta[D][lanes] with guesses index[lanes] of the seed, half_width[i] * u with u uniform on [-1, 1), and
    // scale[lanes] with 1 / normaliser, 0 where that overflows.
    void (*draw)(const float* half_width, const Normaliser&, std::uint64_t seed, const std::uint64_t* index,
                 float* theta, float* scale);
    // Adds an image to the members' loss and smallest margin. Bit l of the answer: lane l is still within bounds.
    std::uint32_t (*score)(const float* logits, Size num_classes, Size label, const float* scale, Bounds, float* loss,
                           float* margin);
};

}  // namespace goodminima
