// Pattern Search: which moves are tried in which order, and what is made of their losses.
//
// Nothing here depends on the instruction set. Several threads evaluate moves ahead of their turn, as if all before them
// failed; they are taken in turn, and after one that is made the rest are put back. So nothing depends on the number of
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

#include "common/dataset.h"
#include "common/kernels.h"
#include "common/thread_pool.h"
#include "local_search/activation_cache.h"
#include "local_search/move_order.h"
#include "local_search/norm_tracker.h"

namespace goodminima {

// How moves are proposed and accepted.
struct PatternRule {
    std::uint64_t seed, stream;  // of the order
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

class IncrementalPatternSearch {
  public:
    IncrementalPatternSearch(const Kernels& kernels, Program program, const Normaliser& normaliser, Dataset data,
                             std::vector<float> theta, const PatternRule& rule)
        : lanes_(kernels.lanes),
          kernels_(*kernels.local_search),
          plan_(std::move(program)),
          data_(std::move(data)),
          theta_(std::move(theta)),
          rule_(rule),
          cache_(plan_, examples(), lanes_),
          norm_(normaliser),
          order_(moves(), rule.seed, rule.stream),
          shown_(data_.order()) {
        add_trials(1);
        kernels_.load(search(), data_, shown_, *trials_[0]);
        refresh();
        drift_ = 0;  // until there is something to drift
        if (!std::isfinite(score_.sum))
            throw std::invalid_argument(
                "theta: its loss is not a finite number; begin where no weight matrix is zero "
                "and no logit overflows");
        begin_batch();
    }

    void run(Size candidates, const Goal& goal, int threads) {
        add_trials(static_cast<std::size_t>(threads));
        ThreadPool pool(threads);
        while (candidates > 0 && !reached(goal))
            candidates -= take_in_turn(evaluate_ahead(window(candidates, threads), pool));
    }

    const std::vector<float>& theta() const { return theta_; }
    double loss() const { return score_.sum / static_cast<double>(examples()); }
    // Counted afresh, once a position.
    Size num_correct() {
        if (!num_correct_) num_correct_ = kernels_.recount_correct(search(), *trials_[0]);
        return *num_correct_;
    }
    Size candidates() const { return candidates_; }
    Size steps() const { return steps_; }
    Size failures() const { return failures_; }
    Size num_halvings() const { return num_halvings_; }
    double drift() const { return drift_; }
    Size by_tangent() const { return by_tangent_; }
    Size by_partial_sum() const { return by_partial_sum_; }

  private:
    struct Evaluated {
        Move move;
        double sum = std::numeric_limits<double>::infinity();
        Rejection rejection = Rejection::none;
    };

    static constexpr Size refresh_interval = 500;  // moves made
    static constexpr Size slopes_after = 2;        // moves that failed: the tangent costs about one more
    static constexpr Size longest_window = 256;

    Size examples() const { return data_.size(); }
    Size moves() const { return 2 * static_cast<Size>(theta_.size()); }
    SearchState search() { return {plan_, theta_.data(), cache_}; }

    void add_trials(std::size_t number) {
        while (trials_.size() < number) trials_.push_back(std::make_unique<Trial>(plan_, cache_, lanes_));
    }

    bool reached(const Goal& goal) {
        const bool fits = goal.fitted && score_.num_correct == examples() && num_correct() == examples();
        return fits || steps_ >= goal.steps || loss() <= goal.loss_below;
    }

    // Everything afresh; then the examples in the order of falling losses, since the largest decide soonest.
    void refresh() {
        norm_.read(theta_);
        cache_.scale = norm_.scale();
        drift_ = kernels_.refresh(search(), *trials_[0]);
        score_ = kernels_.current_score(search());
        const std::vector<Size> before = shown_;
        std::vector<Size> places(before.size());
        std::iota(places.begin(), places.end(), Size{0});
        const float* losses = cache_.losses.get();
        std::stable_sort(places.begin(), places.end(), [losses](Size a, Size b) { return losses[a] > losses[b]; });
        for (std::size_t i = 0; i < places.size(); ++i) shown_[i] = before[static_cast<std::size_t>(places[i])];
        kernels_.load(search(), data_, shown_, *trials_[0]);
        kernels_.refresh(search(), *trials_[0]);
        score_ = kernels_.current_score(search());
        cache_.sloped = false;
    }

    // -------------------------------------------------------------------------------------------------- evaluating ahead

    // How many moves to evaluate before one is taken: more, the longer none was made; none that another radius or another
    // use of the tangent may await.
    Size window(Size candidates, int threads) const {
        Size most = std::min(candidates, rule_.best_of > 1 ? batch_ - tried_ : rule_.patience - failures_);
        if (since_move_ < slopes_after) most = std::min(most, slopes_after - since_move_);
        return threads == 1 ? 1 : std::min(most, std::clamp<Size>(since_move_ / 2, threads, longest_window));
    }

    std::vector<Evaluated>& evaluate_ahead(Size count, ThreadPool& pool) {
        if (since_move_ >= slopes_after && !cache_.sloped) kernels_.find_slopes(search());
        window_.clear();
        for (Size i = 0; i < count; ++i) window_.push_back({next_move()});
        if (pool.size() == 1) {
            evaluate_one(window_[0], *trials_[0]);
            return window_;
        }
        std::atomic<std::size_t> next{0}, made{window_.size()};
        pool.run([&](int thread) {
            for (std::size_t i = next.fetch_add(1); i < window_.size() && i < made.load(); i = next.fetch_add(1)) {
                evaluate_one(window_[i], *trials_[static_cast<std::size_t>(thread)]);
                // What comes after a move that will be made need not be evaluated.
                std::size_t first = made.load();
                while (rule_.best_of == 1 && window_[i].sum < score_.sum && i < first &&
                       !made.compare_exchange_weak(first, i)) {
                }
            }
        });
        return window_;
    }

    Move next_move() {
        const std::uint32_t number = order_.next();
        Move move = plan_.locate(static_cast<Size>(number / 2));
        const float before = theta_[number / 2], radius = std::ldexp(rule_.radius, -static_cast<int>(num_halvings_));
        move.value = number % 2 == 0 ? before + radius : before - radius;
        move.step = move.value - before;
        move.scale = norm_.scale_after(move.parameter, before, move.value);
        return move;
    }

    void evaluate_one(Evaluated& evaluated, Trial& trial) {
        // The margin covers what the bounds lose in rounding.
        const double limit = best_.sum * (1 + 1e-6) + 1e-7 * static_cast<double>(examples());
        evaluated.sum = kernels_.try_move(search(), evaluated.move, limit, trial);
        evaluated.rejection = trial.rejection;
    }

    // ---------------------------------------------------------------------------------------------------- taking in turn

    void begin_batch() {
        batch_ = std::min(rule_.best_of, rule_.patience - failures_);
        tried_ = 0;
        best_ = {};
        best_.sum = score_.sum;
        found_ = false;
    }

    // Takes the moves in turn, up to one that is made or that ends a pass. Returns how many were taken.
    Size take_in_turn(const std::vector<Evaluated>& window) {
        std::size_t taken = 0;
        while (taken < window.size()) {
            count(window[taken]);
            ++taken;
            if (tried_ < batch_) continue;
            if (found_ || failures_ + batch_ == rule_.patience) break;
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

    void count(const Evaluated& evaluated) {
        ++candidates_;
        ++since_move_;
        ++tried_;
        by_tangent_ += evaluated.rejection == Rejection::tangent ? 1 : 0;
        by_partial_sum_ += evaluated.rejection == Rejection::partial_sum ? 1 : 0;
        if (!(evaluated.sum < best_.sum)) return;
        best_ = evaluated;
        found_ = true;
    }

    void make(const Move& move) {
        kernels_.make_move(search(), move, *trials_[0]);
        float& parameter = theta_[static_cast<std::size_t>(move.parameter)];
        norm_.move(move.parameter, parameter, move.value);
        parameter = move.value;
        score_ = kernels_.current_score(search());
        failures_ = since_move_ = 0;
        num_correct_.reset();
        if (!rule_.proceed) order_.restart();
        if (++steps_ % refresh_interval == 0) refresh();
    }

    void halve() {
        ++num_halvings_;
        failures_ = 0;
        order_.restart();
    }

    Size lanes_;
    const LocalSearchKernels& kernels_;
    SearchPlan plan_;
    Dataset data_;
    std::vector<float> theta_;
    PatternRule rule_;
    ActivationCache cache_;
    NormTracker norm_;
    MoveOrder order_;
    std::vector<Size> shown_;  // the examples in the order in which they are shown
    std::vector<std::unique_ptr<Trial>> trials_;
    std::vector<Evaluated> window_;
    Score score_;
    std::optional<Size> num_correct_;
    Evaluated best_;      // of the batch; its sum is the one to beat
    bool found_ = false;  // whether it beats the current position
    Size batch_ = 0, tried_ = 0;
    Size candidates_ = 0, steps_ = 0, failures_ = 0, num_halvings_ = 0;
    Size since_move_ = 0;  // moves taken since one was made
    Size by_tangent_ = 0, by_partial_sum_ = 0;
    double drift_ = 0;
};

}  // namespace goodminima
