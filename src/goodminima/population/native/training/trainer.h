// Training members into loss bins: each lane holds a member from its start to its end, then the next one.
//
// There are three things to do, each for all lanes at once: evaluate an image, add images to a gradient, take a step. The
// one that most lanes wait for is done next. A lane's images are its own, so lanes need not be at the same step.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "common/dataset.h"
#include "common/kernels.h"
#include "training/gradient_plan.h"
#include "training/kernels.h"
#include "training/member_run.h"

namespace goodminima {

// A loss in (above, below]; at most `room` members, the first by number, are kept.
struct Bin {
    float above, below;
    Size room;
};

// What members are trained on, and how.
struct TrainingTask {
    const Program& program;    // with pools fused, for evaluation only
    const GradientPlan& plan;  // both with images of each lane's own
    const Dataset& data;
    Schedule schedule;
    Sgd sgd;
    std::vector<Bin> bins;
    const float* starts;  // [members][parameters]
    Size members;
};

struct BinContents {
    Size hits = 0;
    std::map<Size, std::vector<float>> kept;  // by member
};

struct TrainingResult {
    std::vector<BinContents> bins;
    Size finished = 0, nonfinite = 0;
};

class Trainer {
  public:
    using Callback = std::function<void(const TrainingResult&)>;

    Trainer(const Kernels& kernels, const TrainingTask& task, Callback callback)
        : kernels_(kernels),
          task_(task),
          callback_(std::move(callback)),
          workspace_(task.program, kernels.lanes),
          space_(task.plan, kernels.lanes),
          velocity_(task.sgd.momentum > 0 ? space_floats() : 0),
          inputs_(task.plan.images * task.program.input_size * kernels.lanes),
          scale_(kernels.lanes),
          losses_(max_together * kernels.lanes),
          shares_(kernels.lanes) {
        result_.bins.resize(task.bins.size());
        for (Size lane = 0; lane < kernels.lanes; ++lane) lanes_.emplace_back(task);
    }

    TrainingResult run() {
        fill();
        for (Need need = most_needed(); need != Need::nothing; need = most_needed()) {
            if (need == Need::evaluation) evaluate();
            if (need == Need::gradient) accumulate();
            if (need == Need::step) step();
            fill();
            report();
        }
        return std::move(result_);
    }

  private:
    // A lane and the member in it, -1 for none.
    struct Lane {
        explicit Lane(const TrainingTask& task) : run(task.schedule, task.data.size()) {}
        MemberRun run;
        Size member = -1;
        Need need = Need::nothing;
        bool in_bins = false;       // whether what it is now has been put into the bins
        bool has_gradient = false;  // whether its gradient holds anything
        std::vector<bool> pending;  // by bin: whether it may still end there
    };

    Size space_floats() const { return task_.program.parameters * kernels_.lanes; }
    Lane& lane_at(Size lane) { return lanes_[static_cast<std::size_t>(lane)]; }

    std::uint32_t lanes_in_need_of(Need need) const {
        std::uint32_t lanes = 0;
        for (std::size_t lane = 0; lane < lanes_.size(); ++lane)
            lanes |= static_cast<std::uint32_t>(lanes_[lane].member >= 0 && lanes_[lane].need == need) << lane;
        return lanes;
    }

    // A step does not take long, and members that have taken one need something else: they need not be as many.
    Need most_needed() const {
        static constexpr std::pair<Need, int> weights[] = {{Need::evaluation, 1}, {Need::gradient, 1}, {Need::step, 2}};
        Need best = Need::nothing;
        int most = 0;
        for (const auto& [need, weight] : weights) {
            const int urgency = weight * __builtin_popcount(lanes_in_need_of(need));
            if (urgency > most) best = need;
            most = std::max(most, urgency);
        }
        return best;
    }

    // Puts the next members into the empty lanes; again where one has nothing to do.
    void fill() {
        while (const std::uint32_t fresh = fill_lanes()) decide_next(fresh, step_lanes(0).finite);
    }

    std::uint32_t fill_lanes() {
        std::uint32_t fresh = 0;
        for (Size lane = 0; lane < kernels_.lanes; ++lane) {
            if (lane_at(lane).member >= 0 || next_ == task_.members) continue;
            load(lane, task_.starts + next_ * task_.program.parameters);
            Lane& own = lane_at(lane);
            own.member = next_++;
            own.run.begin();
            own.pending.assign(task_.bins.size(), true);
            own.in_bins = own.has_gradient = false;
            fresh |= std::uint32_t{1} << lane;
        }
        return fresh;
    }

    void load(Size lane, const float* start) {
        for (Size i = 0; i < task_.program.parameters; ++i) space_.theta.get()[i * kernels_.lanes + lane] = start[i];
        if (lane_at(lane).has_gradient) clear(lane, space_.gradient.get());
        if (velocity() != nullptr) clear(lane, velocity());
    }

    void clear(Size lane, float* block) const {
        for (Size i = 0; i < task_.program.parameters; ++i) block[i * kernels_.lanes + lane] = 0.0f;
    }

    float* velocity() const { return task_.sgd.momentum > 0 ? velocity_.get() : nullptr; }

    StepResult step_lanes(std::uint32_t lanes) {
        return kernels_.training->step(task_.sgd, lanes, space_.theta.get(), velocity(), space_.gradient.get(),
                                       scale_.get());
    }

    // Puts a member that has just been seen to fit into its bins; finds out what it needs, or that it has ended.
    void decide(Size lane, bool finite) {
        Lane& own = lane_at(lane);
        if (finite && own.run.fits() && !own.in_bins) put_into_bins(lane);
        const bool goes_on = finite && std::count(own.pending.begin(), own.pending.end(), true) > 0;
        own.need = goes_on ? own.run.decide() : Need::nothing;
        if (own.need != Need::nothing) return;
        if (!finite) ++result_.nonfinite;
        ++result_.finished;
        own.member = -1;
    }

    void put_into_bins(Size lane) {
        Lane& own = lane_at(lane);
        own.in_bins = true;
        const float loss = own.run.loss();
        for (std::size_t b = 0; scale_.get()[lane] > 0 && b < task_.bins.size(); ++b) {
            if (!(own.pending[b] && loss <= task_.bins[b].below)) continue;
            own.pending[b] = false;
            if (loss > task_.bins[b].above) add_to_bin(lane, task_.bins[b], result_.bins[b]);
        }
    }

    void add_to_bin(Size lane, const Bin& bin, BinContents& contents) {
        ++contents.hits;
        const Size member = lane_at(lane).member;
        if (bin.room == 0) return;
        if (static_cast<Size>(contents.kept.size()) == bin.room) {
            const auto last = std::prev(contents.kept.end());
            if (last->first < member) return;
            contents.kept.erase(last);
        }
        std::vector<float> row(static_cast<std::size_t>(task_.program.parameters));
        for (std::size_t i = 0; i < row.size(); ++i)
            row[i] = space_.theta.get()[static_cast<Size>(i) * kernels_.lanes + lane];
        contents.kept.emplace(member, std::move(row));
    }

    // Image number `place` of what each of `lanes` asks for, into the lanes; the others see again what they saw last.
    void load_image(std::uint32_t lanes, Size place) {
        const float* rows[max_lanes];
        for (Size lane = 0; lane < kernels_.lanes; ++lane) {
            const MemberRun& run = lane_at(lane).run;
            const bool takes_part = (lanes >> lane & 1) != 0;
            const Size image = takes_part ? run.asked[static_cast<std::size_t>(place)] : run.last_image();
            rows[lane] = task_.data.images.data() + image * task_.program.input_size;
            labels_[place * kernels_.lanes + lane] =
                static_cast<std::int32_t>(task_.data.labels[static_cast<std::size_t>(image)]);
        }
        const Size length = task_.program.input_size;
        kernels_.gather_rows(rows, length, inputs_.get() + place * length * kernels_.lanes);
    }

    void record(std::uint32_t lanes, Size place, Classified classified) {
        for (Size lane = 0; lane < kernels_.lanes; ++lane) {
            if ((lanes >> lane & 1) == 0) continue;
            MemberRun& run = lane_at(lane).run;
            run.record(run.asked[static_cast<std::size_t>(place)], (classified.correct >> lane & 1) != 0,
                       (classified.saturated >> lane & 1) != 0, losses_.get()[place * kernels_.lanes + lane]);
        }
    }

    void decide_next(std::uint32_t lanes, std::uint32_t finite) {
        for (Size lane = 0; lane < kernels_.lanes; ++lane) {
            if ((lanes >> lane & 1) != 0) decide(lane, (finite >> lane & 1) != 0);
        }
    }

    void evaluate() {
        const std::uint32_t lanes = lanes_in_need_of(Need::evaluation);
        load_image(lanes, 0);
        const float* logits = kernels_.evaluate(task_.program, space_.theta.get(), inputs_.get(), 1, workspace_);
        record(lanes, 0,
               kernels_.training->classify(logits, task_.program.output_size, labels_, scale_.get(), losses_.get()));
        decide_next(lanes, ~0u);
    }

    // As many images as all that need some have, so that none is computed for nobody.
    void accumulate() {
        const std::uint32_t lanes = lanes_in_need_of(Need::gradient);
        Size count = task_.plan.images;
        for (Size lane = 0; lane < kernels_.lanes; ++lane) {
            const MemberRun& run = lane_at(lane).run;
            const bool learns = (lanes >> lane & 1) != 0;
            if (learns) count = std::min(count, static_cast<Size>(run.asked.size()));
            shares_.get()[lane] = learns ? run.share() : 0.0f;
        }
        for (Size place = 0; place < count; ++place) load_image(lanes, place);
        Classified classified[max_together];
        kernels_.training->accumulate(task_.plan, inputs_.get(), labels_, count, shares_.get(), scale_.get(), space_,
                                      classified, losses_.get());
        for (Size place = 0; place < count; ++place) record(lanes, place, classified[place]);
        for (Size lane = 0; lane < kernels_.lanes; ++lane)
            if ((lanes >> lane & 1) != 0) {
                lane_at(lane).run.add_gradient(count);
                lane_at(lane).has_gradient = true;
            }
        decide_next(lanes, ~0u);
    }

    void step() {
        const std::uint32_t lanes = lanes_in_need_of(Need::step);
        const StepResult result = step_lanes(lanes);
        for (Size lane = 0; lane < kernels_.lanes; ++lane) {
            if ((lanes >> lane & 1) == 0) continue;
            const bool changed = (result.changed >> lane & 1) != 0;
            lane_at(lane).run.take_step(changed, (result.moving >> lane & 1) != 0);
            lane_at(lane).has_gradient = false;
            if (changed) lane_at(lane).in_bins = false;
        }
        decide_next(lanes, result.finite);
    }

    void report() {
        const auto now = std::chrono::steady_clock::now();
        if (now - reported_ < std::chrono::milliseconds(500)) return;
        reported_ = now;
        callback_(result_);
    }

    static constexpr Size max_lanes = 16;
    const Kernels& kernels_;
    const TrainingTask& task_;
    Callback callback_;
    Workspace workspace_;
    GradientSpace space_;
    Buffer velocity_, inputs_, scale_, losses_, shares_;
    alignas(alignment) std::int32_t labels_[max_together * max_lanes] = {};
    std::vector<Lane> lanes_;
    Size next_ = 0;  // the member that comes into a lane next
    TrainingResult result_;
    std::chrono::steady_clock::time_point reported_ = std::chrono::steady_clock::now();
};

}  // namespace goodminima
