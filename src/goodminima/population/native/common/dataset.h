// What members are evaluated on, and what their losses are divided by.

#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/program.h"

namespace goodminima {

// Labelled examples: their own copy, because what searches them outlives the arrays that they came in.
struct Dataset {
    std::vector<float> images;         // [examples][input_size]
    std::vector<std::int64_t> labels;  // [examples], from 0 to classes - 1

    Size size() const { return static_cast<Size>(labels.size()); }

    // 0, 1, ..., size - 1.
    std::vector<Size> order() const {
        std::vector<Size> numbers(labels.size());
        std::iota(numbers.begin(), numbers.end(), Size{0});
        return numbers;
    }
};

// Consecutive parameters: the weight of one layer, or what lies between two of them.
struct ParameterRange {
    Size begin, end;
    bool normed;  // whether its Frobenius norm enters the normaliser
};

// prod ||W|| / unit, over the weights W that enter it. The ranges are the whole of theta, in order.
struct Normaliser {
    std::vector<ParameterRange> ranges;
    double unit;

    // Of (offset, size) of each weight that enters.
    Normaliser(std::vector<std::pair<Size, Size>> weights, Size parameters, double norm_unit) : unit(norm_unit) {
        std::sort(weights.begin(), weights.end());
        Size done = 0;
        for (const auto& [offset, size] : weights) {
            if (!(offset >= done && size >= 1 && size <= parameters - offset))
                throw std::invalid_argument("weights: (" + std::to_string(offset) + ", " + std::to_string(size) +
                                            ") overlaps another or does not lie within the parameters");
            if (offset > done) ranges.push_back({done, offset, false});
            ranges.push_back({offset, offset + size, true});
            done = offset + size;
        }
        if (done < parameters) ranges.push_back({done, parameters, false});
    }
};

}  // namespace goodminima
