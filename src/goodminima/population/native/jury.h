// A jury: scores whole members on fixed examples, one after another, each with all registers on its examples.
//
// Where members come many at once and all of them count, `Engine::evaluate` serves: there the lanes are members. Here
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

#include "caches.h"
#include "crew.h"

namespace goodminima {

// What members are scored on.
struct Case {
    std::vector<Run> runs;  // of a member
    double unit;
    std::vector<float> images;         // [examples][input_size]
    std::vector<std::int64_t> labels;  // [examples]
};

class Jury {
  public:
    Jury(const Engine& engine, Program program, Case about)
        : lanes_(engine.lanes),
          engine_(*engine.search),
          plan_(std::move(program)),
          runs_(std::move(about.runs)),
          unit_(about.unit),
          caches_(plan_, static_cast<Size>(about.labels.size()), lanes_) {
        std::vector<Size> order(about.labels.size());
        std::iota(order.begin(), order.end(), Size{0});
        Trial trial(plan_, caches_, lanes_);
        engine_.load({plan_, nullptr, caches_}, about.images.data(), about.labels.data(), order, trial);
    }

    Size parameters() const { return plan_.program.parameters; }

    // Scores members theta[members][D]; with `first`, up to the first whose sum is below `limit`, all behind it being
    // left out or infinite. A sum that exceeds the limit may come out as infinite too.
    std::vector<Tally> score(const float* theta, Size members, double limit, bool first, int threads) {
        std::vector<Tally> tallies(static_cast<std::size_t>(members), left_out);
        std::vector<std::unique_ptr<Trial>> trials;
        for (int i = 0; i < threads; ++i) trials.push_back(std::make_unique<Trial>(plan_, caches_, lanes_));
        std::atomic<Size> next{0}, end{members};
        Crew(threads).run([&](int thread) {
            for (Size i = next.fetch_add(1); i < end.load(); i = next.fetch_add(1)) {
                const float* member = theta + i * parameters();
                Tally& tally = tallies[static_cast<std::size_t>(i)];
                tally = engine_.weigh_whole({plan_, member, caches_}, scale(member), limit,
                                            *trials[static_cast<std::size_t>(thread)]);
                Size before = end.load();
                while (first && tally.sum < limit && i + 1 < before && !end.compare_exchange_weak(before, i + 1)) {
                }
            }
        });
        std::fill(tallies.begin() + end.load(), tallies.end(), left_out);
        return tallies;
    }

  private:
    static constexpr Tally left_out{std::numeric_limits<double>::infinity(), 0};

    // 1 / normaliser; not a number if that is not an ordinary one, so that nothing it scales is below any limit.
    float scale(const float* member) const {
        double product = 1;
        for (const Run& run : runs_)
            if (run.normalised) product *= std::sqrt(squares(member + run.begin, run.end - run.begin)) / unit_;
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
    const SearchEngine& engine_;
    SearchPlan plan_;
    std::vector<Run> runs_;
    double unit_;
    Caches caches_;
};

}  // namespace goodminima
