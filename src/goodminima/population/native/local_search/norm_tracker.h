// What losses are divided by, while parameters change one after another.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/dataset.h"

namespace goodminima {

// The value of a normaliser, kept as parameters move, from sums of squares in float64.
class NormTracker {
  public:
    explicit NormTracker(const Normaliser& normaliser)
        : ranges_(normaliser.ranges), unit_(normaliser.unit), squares_(ranges_.size()) {}

    void read(const std::vector<float>& theta) {
        for (std::size_t i = 0; i < ranges_.size(); ++i) {
            squares_[i] = 0;
            for (Size k = ranges_[i].begin; k < ranges_[i].end; ++k)
                squares_[i] += square(theta[static_cast<std::size_t>(k)]);
        }
        multiply();
    }

    // 1 / normaliser; not a number if that is not an ordinary one, so that nothing it enters is accepted.
    float scale() const { return inverse(value_); }

    float scale_after(Size parameter, float before, float after) const {
        return scale_after(parameter, &before, &after, 1);
    }

    void move(Size parameter, float before, float after) { move(parameter, &before, &after, 1); }

    // The same for several parameters of one layer's weight, side by side from `first` on.
    float scale_after(Size first, const float* before, const float* after, Size count) const {
        const std::size_t i = range_of(first);
        return ranges_[i].normed ? inverse(others_[i] * norm(moved(i, before, after, count))) : scale();
    }

    void move(Size first, const float* before, const float* after, Size count) {
        const std::size_t i = range_of(first);
        squares_[i] = moved(i, before, after, count);
        multiply();
    }

  private:
    static double square(float value) { return static_cast<double>(value) * static_cast<double>(value); }

    static float inverse(double value) {
        const float result = static_cast<float>(1 / value);
        return std::isnormal(result) ? result : std::numeric_limits<float>::quiet_NaN();
    }

    double norm(double squares) const { return std::sqrt(squares) / unit_; }

    double moved(std::size_t i, const float* before, const float* after, Size count) const {
        double squares = squares_[i];
        for (Size k = 0; k < count; ++k) squares = squares - square(before[k]) + square(after[k]);
        return std::max(0.0, squares);
    }

    std::size_t range_of(Size parameter) const {
        const auto after =
            std::upper_bound(ranges_.begin(), ranges_.end(), parameter,
                             [](Size value, const ParameterRange& range) { return value < range.begin; });
        return static_cast<std::size_t>(after - ranges_.begin() - 1);
    }

    void multiply() {
        value_ = product_without(ranges_.size());
        others_.resize(ranges_.size());
        for (std::size_t i = 0; i < ranges_.size(); ++i) others_[i] = product_without(i);
    }

    double product_without(std::size_t left_out) const {
        double product = 1;
        for (std::size_t i = 0; i < ranges_.size(); ++i)
            if (i != left_out && ranges_[i].normed) product *= norm(squares_[i]);
        return product;
    }

    std::vector<ParameterRange> ranges_;
    double unit_;
    std::vector<double> squares_, others_;  // by range: the sum of squares, the product of the other norms
    double value_ = 1;
};

}  // namespace goodminima
