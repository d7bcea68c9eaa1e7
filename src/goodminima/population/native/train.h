// Training members into loss bins: each lane holds a member from its start to its end, then the next one.
//
// There are three things to do, each for all lanes at once: show an image, teach images (a gradient), move (a step). The
// one that most lanes wait for is done next. A lane's images are its own, so lanes need not be at the same step.

#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "engine.h"
#include "gradient.h"
#include "pupil.h"

namespace goodminima {

// A loss in (above, below]; at most `room` members, the first by number, are kept.
struct Bin {
    float above, below;
    Size room;
};

struct Lesson {
    const Program& program;    // with pools fused, for looking only
    const GradientPlan& plan;  // both with images of each lane's own
    const float* images;       // [num_images][input_size]
    const std::int64_t* labels;
    Size num_images;
    Schedule schedule;
    Motion motion;
    std::vector<Bin> bins;
    const float* starts;  // [members][parameters]
    Size members;
};

struct Frozen {
    Size hits = 0;
    std::map<Size, std::vector<float>> kept;  // by member
};

struct Trained {
    std::vector<Frozen> bins;
    Size finished = 0, nonfinite = 0;
};

class Training {
  public:
    using Listener = std::function<void(const Trained&)>;

    Training(const Engine& engine, const Lesson& lesson, Listener listener)
        : engine_(engine),
          lesson_(lesson),
          listener_(std::move(listener)),
          workspace_(lesson.program, engine.lanes),
          space_(lesson.plan, engine.lanes),
          velocity_(lesson.motion.momentum > 0 ? space_floats() : 0),
          inputs_(lesson.plan.images * lesson.program.input_size * engine.lanes),
          scale_(engine.lanes),
          losses_(max_together * engine.lanes),
          shares_(engine.lanes) {
        trained_.bins.resize(lesson.bins.size());
        for (Size lane = 0; lane < engine.lanes; ++lane) desks_.emplace_back(lesson);
    }

    Trained run() {
        fill();
        for (Wish wish = most_wanted(); wish != Wish::leave; wish = most_wanted()) {
            if (wish == Wish::show) show();
            if (wish == Wish::teach) teach();
            if (wish == Wish::move) move();
            fill();
            report();
        }
        return std::move(trained_);
    }

  private:
    // A lane and who sits there: -1 for nobody.
    struct Desk {
        explicit Desk(const Lesson& lesson) : pupil(lesson.schedule, lesson.num_images) {}
        Pupil pupil;
        Size member = -1;
        Wish wish = Wish::leave;
        bool sorted = false;  // whether what it is now has been put into the bins
        bool taught = false;  // whether its gradient holds anything
        std::vector<bool> pending;
    };

    Size space_floats() const { return lesson_.program.parameters * engine_.lanes; }
    Desk& desk(Size lane) { return desks_[static_cast<std::size_t>(lane)]; }

    std::uint32_t who_wants(Wish wish) const {
        std::uint32_t lanes = 0;
        for (std::size_t lane = 0; lane < desks_.size(); ++lane)
            lanes |= static_cast<std::uint32_t>(desks_[lane].member >= 0 && desks_[lane].wish == wish) << lane;
        return lanes;
    }

    // A move does not take long, and those who have moved want something else: they need not be as many.
    Wish most_wanted() const {
        static constexpr std::pair<Wish, int> weights[] = {{Wish::show, 1}, {Wish::teach, 1}, {Wish::move, 2}};
        Wish best = Wish::leave;
        int most = 0;
        for (const auto& [wish, weight] : weights) {
            const int wanted = weight * __builtin_popcount(who_wants(wish));
            if (wanted > most) best = wish;
            most = std::max(most, wanted);
        }
        return best;
    }

    // Puts the next members into the empty lanes; again where one has nothing to do.
    void fill() {
        while (const std::uint32_t fresh = seat()) go_on(fresh, move_lanes(0).finite);
    }

    std::uint32_t seat() {
        std::uint32_t fresh = 0;
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            if (desk(lane).member >= 0 || next_ == lesson_.members) continue;
            load(lane, lesson_.starts + next_ * lesson_.program.parameters);
            Desk& sitter = desk(lane);
            sitter.member = next_++;
            sitter.pupil.begin();
            sitter.pending.assign(lesson_.bins.size(), true);
            sitter.sorted = sitter.taught = false;
            fresh |= std::uint32_t{1} << lane;
        }
        return fresh;
    }

    void load(Size lane, const float* start) {
        for (Size i = 0; i < lesson_.program.parameters; ++i) space_.theta.get()[i * engine_.lanes + lane] = start[i];
        if (desk(lane).taught) clear(lane, space_.gradient.get());
        if (velocity() != nullptr) clear(lane, velocity());
    }

    void clear(Size lane, float* block) const {
        for (Size i = 0; i < lesson_.program.parameters; ++i) block[i * engine_.lanes + lane] = 0.0f;
    }

    float* velocity() const { return lesson_.motion.momentum > 0 ? velocity_.get() : nullptr; }

    Moved move_lanes(std::uint32_t lanes) {
        return engine_.move(lesson_.motion, lanes, space_.theta.get(), velocity(), space_.gradient.get(), scale_.get());
    }

    // Sorts a member that has just been seen to fit; finds out what it wants, or that it has ended.
    void decide(Size lane, bool finite) {
        Desk& sitter = desk(lane);
        if (finite && sitter.pupil.fits() && !sitter.sorted) sort(lane);
        const bool goes_on = finite && std::count(sitter.pending.begin(), sitter.pending.end(), true) > 0;
        sitter.wish = goes_on ? sitter.pupil.decide() : Wish::leave;
        if (sitter.wish != Wish::leave) return;
        if (!finite) ++trained_.nonfinite;
        ++trained_.finished;
        sitter.member = -1;
    }

    void sort(Size lane) {
        Desk& sitter = desk(lane);
        sitter.sorted = true;
        const float loss = sitter.pupil.loss();
        for (std::size_t b = 0; scale_.get()[lane] > 0 && b < lesson_.bins.size(); ++b) {
            if (!(sitter.pending[b] && loss <= lesson_.bins[b].below)) continue;
            sitter.pending[b] = false;
            if (loss > lesson_.bins[b].above) freeze(lane, lesson_.bins[b], trained_.bins[b]);
        }
    }

    void freeze(Size lane, const Bin& bin, Frozen& frozen) {
        ++frozen.hits;
        const Size member = desk(lane).member;
        if (bin.room == 0) return;
        if (static_cast<Size>(frozen.kept.size()) == bin.room) {
            const auto last = std::prev(frozen.kept.end());
            if (last->first < member) return;
            frozen.kept.erase(last);
        }
        std::vector<float> row(static_cast<std::size_t>(lesson_.program.parameters));
        for (std::size_t i = 0; i < row.size(); ++i)
            row[i] = space_.theta.get()[static_cast<Size>(i) * engine_.lanes + lane];
        frozen.kept.emplace(member, std::move(row));
    }

    // Image number `place` of what each of `lanes` asks for, into the lanes; the others see again what they saw last.
    void hand_out(std::uint32_t lanes, Size place) {
        const float* rows[max_lanes];
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            const Pupil& pupil = desk(lane).pupil;
            const bool takes_part = (lanes >> lane & 1) != 0;
            const Size image = takes_part ? pupil.asked[static_cast<std::size_t>(place)] : pupil.last_image();
            rows[lane] = lesson_.images + image * lesson_.program.input_size;
            labels_[place * engine_.lanes + lane] = static_cast<std::int32_t>(lesson_.labels[image]);
        }
        const Size length = lesson_.program.input_size;
        engine_.gather_rows(rows, length, inputs_.get() + place * length * engine_.lanes);
    }

    void note(std::uint32_t lanes, Size place, Judged judged) {
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            if ((lanes >> lane & 1) == 0) continue;
            Pupil& pupil = desk(lane).pupil;
            pupil.note(pupil.asked[static_cast<std::size_t>(place)], (judged.right >> lane & 1) != 0,
                       (judged.quiet >> lane & 1) != 0, losses_.get()[place * engine_.lanes + lane]);
        }
    }

    void go_on(std::uint32_t lanes, std::uint32_t finite) {
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            if ((lanes >> lane & 1) != 0) decide(lane, (finite >> lane & 1) != 0);
        }
    }

    void show() {
        const std::uint32_t lanes = who_wants(Wish::show);
        hand_out(lanes, 0);
        const float* logits = engine_.evaluate(lesson_.program, space_.theta.get(), inputs_.get(), 1, workspace_);
        note(lanes, 0, engine_.judge(logits, lesson_.program.output_size, labels_, scale_.get(), losses_.get()));
        go_on(lanes, ~0u);
    }

    // As many images as all who want some have, so that none is computed for nobody.
    void teach() {
        const std::uint32_t lanes = who_wants(Wish::teach);
        Size count = lesson_.plan.images;
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            const Pupil& pupil = desk(lane).pupil;
            const bool learns = (lanes >> lane & 1) != 0;
            if (learns) count = std::min(count, static_cast<Size>(pupil.asked.size()));
            shares_.get()[lane] = learns ? pupil.share() : 0.0f;
        }
        for (Size place = 0; place < count; ++place) hand_out(lanes, place);
        Judged judged[max_together];
        engine_.teach(lesson_.plan, inputs_.get(), labels_, count, shares_.get(), scale_.get(), space_, judged,
                      losses_.get());
        for (Size place = 0; place < count; ++place) note(lanes, place, judged[place]);
        for (Size lane = 0; lane < engine_.lanes; ++lane)
            if ((lanes >> lane & 1) != 0) {
                desk(lane).pupil.taught(count);
                desk(lane).taught = true;
            }
        go_on(lanes, ~0u);
    }

    void move() {
        const std::uint32_t lanes = who_wants(Wish::move);
        const Moved moved = move_lanes(lanes);
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            if ((lanes >> lane & 1) == 0) continue;
            const bool changed = (moved.changed >> lane & 1) != 0;
            desk(lane).pupil.moved(changed, (moved.moving >> lane & 1) != 0);
            desk(lane).taught = false;
            if (changed) desk(lane).sorted = false;
        }
        go_on(lanes, moved.finite);
    }

    void report() {
        const auto now = std::chrono::steady_clock::now();
        if (now - reported_ < std::chrono::milliseconds(500)) return;
        reported_ = now;
        listener_(trained_);
    }

    static constexpr Size max_lanes = 16;
    const Engine& engine_;
    const Lesson& lesson_;
    Listener listener_;
    Workspace workspace_;
    GradientSpace space_;
    Buffer velocity_, inputs_, scale_, losses_, shares_;
    alignas(alignment) std::int32_t labels_[max_together * max_lanes] = {};
    std::vector<Desk> desks_;
    Size next_ = 0;  // the member to be seated next
    Trained trained_;
    std::chrono::steady_clock::time_point reported_ = std::chrono::steady_clock::now();
};

}  // namespace goodminima
