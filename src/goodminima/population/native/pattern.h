// Pattern Search: which moves are tried in which order, and what is made of their losses.
//
// Nothing here depends on the instruction set. Several threads weigh moves ahead of their turn, as if all before them
// failed; they are judged in turn, and after one that is made the rest are put back. So nothing depends on the number of
// threads, and as little on how a search is cut into runs.

#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "caches.h"
#include "crew.h"
#include "moves.h"

namespace goodminima {

struct SearchTask {
    std::vector<float> theta;
    std::vector<Run> runs;  // of theta
    double unit;
    std::vector<float> images;         // [examples][input_size]
    std::vector<std::int64_t> labels;  // [examples]
    std::uint64_t seed, stream;
    float radius;
    Size best_of;
    bool proceed;
    Size patience;  // failures in a row that halve the radius
};

// What ends a run before its budget of candidates.
struct Goal {
    Size steps;
    bool fitted;
    double loss_below;
};

class PatternSearch {
  public:
    PatternSearch(const Engine& engine, Program program, SearchTask task)
        : lanes_(engine.lanes),
          engine_(*engine.search),
          plan_(std::move(program)),
          task_(std::move(task)),
          caches_(plan_, examples(), lanes_),
          normaliser_(task_.runs, task_.unit),
          order_(moves(), task_.seed, task_.stream),
          shown_(static_cast<std::size_t>(examples())) {
        std::iota(shown_.begin(), shown_.end(), Size{0});
        add_trials(1);
        engine_.load(search(), task_.images.data(), task_.labels.data(), shown_, *trials_[0]);
        refresh();
        drift_ = 0;  // until there is something to drift
        if (!std::isfinite(tally_.sum))
            throw std::invalid_argument("theta: its loss is not a finite number; begin where no weight matrix is zero "
                                        "and no logit overflows");
        begin_batch();
    }

    void run(Size candidates, const Goal& goal, int threads) {
        add_trials(static_cast<std::size_t>(threads));
        Crew crew(threads);
        while (candidates > 0 && !reached(goal)) candidates -= judge(weigh(window(candidates, threads), crew));
    }

    const std::vector<float>& theta() const { return task_.theta; }
    double loss() const { return tally_.sum / static_cast<double>(examples()); }
    // Counted afresh, once a position.
    Size right() {
        if (!right_) right_ = engine_.recount(search(), *trials_[0]);
        return *right_;
    }
    Size candidates() const { return candidates_; }
    Size steps() const { return steps_; }
    Size failures() const { return failures_; }
    Size halvings() const { return halvings_; }
    double drift() const { return drift_; }
    Size by_tangent() const { return by_tangent_; }
    Size by_partial_sum() const { return by_partial_sum_; }

  private:
    struct Weighed {
        Move move;
        double sum = std::numeric_limits<double>::infinity();
        Exit exit = Exit::none;
    };

    static constexpr Size refresh_interval = 500;  // moves made
    static constexpr Size slopes_after = 2;         // moves that failed: the tangent costs about one more
    static constexpr Size longest_window = 256;

    Size examples() const { return static_cast<Size>(task_.labels.size()); }
    Size moves() const { return 2 * static_cast<Size>(task_.theta.size()); }
    Search search() { return {plan_, task_.theta.data(), caches_}; }

    void add_trials(std::size_t number) {
        while (trials_.size() < number) trials_.push_back(std::make_unique<Trial>(plan_, caches_, lanes_));
    }

    bool reached(const Goal& goal) {
        const bool fits = goal.fitted && tally_.right == examples() && right() == examples();
        return fits || steps_ >= goal.steps || loss() <= goal.loss_below;
    }

    // Everything afresh; then the examples in the order of falling losses, since the largest decide soonest.
    void refresh() {
        normaliser_.read(task_.theta);
        caches_.scale = normaliser_.scale();
        drift_ = engine_.refresh(search(), *trials_[0]);
        tally_ = engine_.measure(search());
        const std::vector<Size> before = shown_;
        std::vector<Size> places(before.size());
        std::iota(places.begin(), places.end(), Size{0});
        const float* losses = caches_.losses.get();
        std::stable_sort(places.begin(), places.end(), [losses](Size a, Size b) { return losses[a] > losses[b]; });
        for (std::size_t i = 0; i < places.size(); ++i) shown_[i] = before[static_cast<std::size_t>(places[i])];
        engine_.load(search(), task_.images.data(), task_.labels.data(), shown_, *trials_[0]);
        engine_.refresh(search(), *trials_[0]);
        tally_ = engine_.measure(search());
        caches_.sloped = false;
    }

    // ----------------------------------------------------------------------------------------------------- weighing

    // How many moves to weigh before judging: more, the longer none was made; none that another radius or another
    // use of the tangent may await.
    Size window(Size candidates, int threads) const {
        Size most = std::min(candidates, task_.best_of > 1 ? batch_ - tried_ : task_.patience - failures_);
        if (since_move_ < slopes_after) most = std::min(most, slopes_after - since_move_);
        return threads == 1 ? 1 : std::min(most, std::clamp<Size>(since_move_ / 2, threads, longest_window));
    }

    std::vector<Weighed>& weigh(Size count, Crew& crew) {
        if (since_move_ >= slopes_after && !caches_.sloped) engine_.find_slopes(search());
        window_.clear();
        for (Size i = 0; i < count; ++i) window_.push_back({next_move()});
        if (crew.size() == 1) {
            weigh_one(window_[0], *trials_[0]);
            return window_;
        }
        std::atomic<std::size_t> next{0}, made{window_.size()};
        crew.run([&](int thread) {
            for (std::size_t i = next.fetch_add(1); i < window_.size() && i < made.load(); i = next.fetch_add(1)) {
                weigh_one(window_[i], *trials_[static_cast<std::size_t>(thread)]);
                // What comes after a move that will be made need not be weighed.
                std::size_t first = made.load();
                while (task_.best_of == 1 && window_[i].sum < tally_.sum && i < first &&
                       !made.compare_exchange_weak(first, i)) {
                }
            }
        });
        return window_;
    }

    Move next_move() {
        const std::uint32_t number = order_.next();
        Move move = plan_.locate(static_cast<Size>(number / 2));
        const float before = task_.theta[number / 2], radius = std::ldexp(task_.radius, -static_cast<int>(halvings_));
        move.value = number % 2 == 0 ? before + radius : before - radius;
        move.step = move.value - before;
        move.scale = normaliser_.scale_after(move.parameter, before, move.value);
        return move;
    }

    void weigh_one(Weighed& weighed, Trial& trial) {
        // The margin covers what the bounds lose in rounding.
        const double limit = best_.sum * (1 + 1e-6) + 1e-7 * static_cast<double>(examples());
        weighed.sum = engine_.try_move(search(), weighed.move, limit, trial);
        weighed.exit = trial.exit;
    }

    // ------------------------------------------------------------------------------------------------------ judging

    void begin_batch() {
        batch_ = std::min(task_.best_of, task_.patience - failures_);
        tried_ = 0;
        best_ = {};
        best_.sum = tally_.sum;
        found_ = false;
    }

    // Takes the moves in turn, up to one that is made or that ends a pass. Returns how many were taken.
    Size judge(const std::vector<Weighed>& window) {
        std::size_t taken = 0;
        while (taken < window.size()) {
            count(window[taken]);
            ++taken;
            if (tried_ < batch_) continue;
            if (found_ || failures_ + batch_ == task_.patience) break;
            failures_ += batch_;
            begin_batch();
        }
        order_.keep(taken);
        if (tried_ == batch_) {
            if (found_) make(best_.move);
            else halve();
            begin_batch();
        }
        return static_cast<Size>(taken);
    }

    void count(const Weighed& weighed) {
        ++candidates_;
        ++since_move_;
        ++tried_;
        by_tangent_ += weighed.exit == Exit::tangent ? 1 : 0;
        by_partial_sum_ += weighed.exit == Exit::partial_sum ? 1 : 0;
        if (!(weighed.sum < best_.sum)) return;
        best_ = weighed;
        found_ = true;
    }

    void make(const Move& move) {
        engine_.make_move(search(), move, *trials_[0]);
        float& parameter = task_.theta[static_cast<std::size_t>(move.parameter)];
        normaliser_.move(move.parameter, parameter, move.value);
        parameter = move.value;
        tally_ = engine_.measure(search());
        failures_ = since_move_ = 0;
        right_.reset();
        if (!task_.proceed) order_.restart();
        if (++steps_ % refresh_interval == 0) refresh();
    }

    void halve() {
        ++halvings_;
        failures_ = 0;
        order_.restart();
    }

    Size lanes_;
    const SearchEngine& engine_;
    SearchPlan plan_;
    SearchTask task_;
    Caches caches_;
    Normaliser normaliser_;
    MoveOrder order_;
    std::vector<Size> shown_;  // the examples in the order in which they are shown
    std::vector<std::unique_ptr<Trial>> trials_;
    std::vector<Weighed> window_;
    Tally tally_;
    std::optional<Size> right_;
    Weighed best_;        // of the batch; its sum is the one to beat
    bool found_ = false;  // whether it beats the current position
    Size batch_ = 0, tried_ = 0;
    Size candidates_ = 0, steps_ = 0, failures_ = 0, halvings_ = 0;
    Size since_move_ = 0;  // moves weighed since one was made
    Size by_tangent_ = 0, by_partial_sum_ = 0;
    double drift_ = 0;
};

}  // namespace goodminima
