// Scores whole members on fixed examples, one after another, each with all registers on its examples.
//
// Where members come many at once and all of them count, `Kernels::evaluate` serves: there the lanes are members. Here
// they are examples, so that a search that takes the first member good enough pays for none behind it.

#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "common/dataset.h"
#include "common/kernels.h"
#include "common/thread_pool.h"
#include "local_search/activation_cache.h"

namespace goodminima {

class MemberScorer {
  public:
    MemberScorer(const Kernels& kernels, Program program, Normaliser normaliser, const Dataset& data)
        : lanes_(kernels.lanes),
          kernels_(*kernels.local_search),
          plan_(std::move(program)),
          normaliser_(std::move(normaliser)),
          cache_(plan_, data.size(), lanes_) {
        Trial trial(plan_, cache_, lanes_);
        kernels_.load({plan_, nullptr, cache_}, data, data.order(), trial);
    }

    Size parameters() const { return plan_.program.parameters; }

    // Scores members theta[members][D]; with `first`, up to the first whose sum is below `limit`, all behind it being
    // left out or infinite. A sum that exceeds the limit may come out as infinite too.
    std::vector<Score> score(const float* theta, Size members, double limit, bool first, int threads) {
        std::vector<Score> scores(static_cast<std::size_t>(members), left_out);
        std::vector<std::unique_ptr<Trial>> trials;
        for (int i = 0; i < threads; ++i) trials.push_back(std::make_unique<Trial>(plan_, cache_, lanes_));
        std::atomic<Size> next{0}, end{members};
        ThreadPool(threads).run([&](int thread) {
            for (Size i = next.fetch_add(1); i < end.load(); i = next.fetch_add(1)) {
                const float* member = theta + i * parameters();
                Score& total = scores[static_cast<std::size_t>(i)];
                total = kernels_.score_member({plan_, member, cache_}, scale(member), limit,
                                              *trials[static_cast<std::size_t>(thread)]);
                Size before = end.load();
                while (first && total.sum < limit && i + 1 < before && !end.compare_exchange_weak(before, i + 1)) {
                }
            }
        });
        std::fill(scores.begin() + end.load(), scores.end(), left_out);
        return scores;
    }

  private:
    static constexpr Score left_out{std::numeric_limits<double>::infinity(), 0};

    // 1 / normaliser; not a number if that is not an ordinary one, so that nothing it scales is below any limit.
    float scale(const float* member) const {
        double product = 1;
        for (const auto& [begin, end, normed] : normaliser_.ranges)
            if (normed) product *= std::sqrt(squares(member + begin, end - begin)) / normaliser_.unit;
        const float result = static_cast<float>(1 / product);
        return std::isnormal(result) ? result : std::numeric_limits<float>::quiet_NaN();
    }

    // Eight sums side by side: one alone would wait for each of its additions.
    static double squares(const float* values, Size size) {
        double sums[8] = {};
        for (Size i = 0; i < size; ++i) sums[i % 8] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
        return std::accumulate(sums, sums + 8, 0.0);
    }

    Size lanes_;
    const LocalSearchKernels& kernels_;
    SearchPlan plan_;
    Normaliser normaliser_;
    ActivationCache cache_;
};

}  // namespace goodminima
