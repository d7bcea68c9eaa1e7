// What Pattern Search draws and keeps per parameter: the order of its moves, and the normaliser.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "engine.h"
#include "stream.h"

namespace goodminima {

// The order in which the pairs (parameter, sign) are tried: a lazy Fisher-Yates shuffle.
class MoveOrder {
  public:
    MoveOrder(Size moves, std::uint64_t seed, std::uint64_t stream)
        : order_(static_cast<std::size_t>(moves)), stream_(seed, stream) {
        std::iota(order_.begin(), order_.end(), 0u);
    }

    std::uint32_t next() {
        if (place_ == order_.size()) place_ = 0;
        const Stream before = stream_;
        const std::size_t other = place_ + static_cast<std::size_t>(stream_.below(order_.size() - place_));
        taken_.push_back({place_, other, before});
        std::swap(order_[place_], order_[other]);
        return order_[place_++];
    }

    // Puts back all that `next` gave since the last call, but for the first `kept`.
    void keep(std::size_t kept) {
        for (; taken_.size() > kept; taken_.pop_back()) {
            const Taken& last = taken_.back();
            std::swap(order_[last.place], order_[last.other]);
            stream_ = last.before;
            place_ = last.place;
        }
        taken_.clear();
    }

    void restart() { place_ = 0; }

  private:
    struct Taken {
        std::size_t place, other;
        Stream before;
    };
    std::vector<std::uint32_t> order_;
    Stream stream_;
    std::size_t place_ = 0;
    std::vector<Taken> taken_;
};

// prod (||W|| / unit) over the weights that enter it, from sums of squares in float64.
class Normaliser {
  public:
    Normaliser(std::vector<Run> runs, double unit) : runs_(std::move(runs)), unit_(unit), squares_(runs_.size()) {}

    void read(const std::vector<float>& theta) {
        for (std::size_t i = 0; i < runs_.size(); ++i) {
            squares_[i] = 0;
            for (Size k = runs_[i].begin; k < runs_[i].end; ++k) squares_[i] += square(theta[static_cast<std::size_t>(k)]);
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
        const std::size_t i = run_of(first);
        return runs_[i].normalised ? inverse(others_[i] * norm(moved(i, before, after, count))) : scale();
    }

    void move(Size first, const float* before, const float* after, Size count) {
        const std::size_t i = run_of(first);
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

    std::size_t run_of(Size parameter) const {
        const auto after = std::upper_bound(runs_.begin(), runs_.end(), parameter,
                                            [](Size value, const Run& run) { return value < run.begin; });
        return static_cast<std::size_t>(after - runs_.begin() - 1);
    }

    void multiply() {
        value_ = product_without(runs_.size());
        others_.resize(runs_.size());
        for (std::size_t i = 0; i < runs_.size(); ++i) others_[i] = product_without(i);
    }

    double product_without(std::size_t left_out) const {
        double product = 1;
        for (std::size_t i = 0; i < runs_.size(); ++i)
            if (i != left_out && runs_[i].normalised) product *= norm(squares_[i]);
        return product;
    }

    std::vector<Run> runs_;
    double unit_;
    std::vector<double> squares_, others_;  // by run: the sum of squares, the product of the other norms
    double value_ = 1;
};

}  // namespace goodminima
