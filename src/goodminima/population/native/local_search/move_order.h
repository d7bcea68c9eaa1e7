// The order in which Pattern Search tries its moves.

#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "common/program.h"
#include "common/stream.h"

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

}  // namespace goodminima
