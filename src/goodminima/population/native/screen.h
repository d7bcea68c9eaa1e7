// Guess & Check: which guesses of a range fit all images, and how well.
//
// A guess is a lane. Blocks of fresh guesses are shown the first images; where so few lanes of a block are left that
// showing on would mostly compute for the dead, the survivors wait until there are enough of them to fill a block, and
// are drawn anew: remaking a guess from its index is cheaper than moving its parameters about. What happens to a guess
// depends on its own lane only, so the bookkeeping here changes the speed and never the result.

#pragma once

#include <cmath>
#include <limits>

#include "engine.h"

namespace goodminima {

struct Question {
    const Program& program;
    const Draws& draws;
    const float* images;         // [num_images][input_size]
    const std::int64_t* labels;  // [num_images]
    Size num_images;
    double loss_below, slack;
};

// A guess that is right so far: the sum of its losses, and its smallest margin.
struct Member {
    std::uint64_t index;
    float loss, margin;
};

struct Found {
    std::vector<Member> members;
    std::uint64_t images_shown = 0;
};

class Screen {
  public:
    Screen(const Engine& engine, const Question& question)
        : engine_(engine),
          question_(question),
          space_(question.program, engine.lanes),
          scale_(engine.lanes),
          loss_(engine.lanes),
          margin_(engine.lanes),
          waiting_(static_cast<std::size_t>(question.num_images)),
          shown_(waiting_.size(), 2.0),
          passed_(waiting_.size(), 1.0) {
        const double bound = static_cast<double>(question.num_images) * question.loss_below * (1 + question.slack);
        const double largest = std::numeric_limits<float>::max();
        bounds_ = {static_cast<float>(-question.slack), static_cast<float>(std::min(bound, largest))};
        // In units of a multiply-add: a number drawn costs about ten of them (measured).
        const double show = static_cast<double>(question.program.multiply_adds);
        const double draw = 10.0 * static_cast<double>(question.program.parameters);
        stay_ = static_cast<double>(engine.lanes) * show / (show + draw);
    }

    Found run(std::uint64_t start, std::uint64_t count) {
        const auto lanes = static_cast<std::uint64_t>(engine_.lanes);
        std::vector<Member> block;
        for (std::uint64_t done = 0; done < count; done += lanes) {
            block.clear();
            for (std::uint64_t i = done; i < std::min(done + lanes, count); ++i)
                block.push_back({start + i, 0.0f, std::numeric_limits<float>::infinity()});
            visit(block, 0);
            visit_ripe();
        }
        for (Size image = 0; image < question_.num_images; ++image) {
            block.swap(waiting_[static_cast<std::size_t>(image)]);
            if (!block.empty()) visit(block, image);
            block.clear();
            visit_ripe();
        }
        std::sort(found_.members.begin(), found_.members.end(),
                  [](const Member& a, const Member& b) { return a.index < b.index; });
        return std::move(found_);
    }

  private:
    // Full blocks wait no longer.
    void visit_ripe() {
        while (!ripe_.empty()) {
            const Size image = ripe_.back();
            ripe_.pop_back();
            std::vector<Member>& queue = waiting_[static_cast<std::size_t>(image)];
            const std::vector<Member> block(queue.end() - engine_.lanes, queue.end());
            queue.resize(queue.size() - block.size());
            visit(block, image);
        }
    }

    // Shows images from `image` on to at most `lanes` members, until none is left or too few to go on together.
    void visit(const std::vector<Member>& block, Size image) {
        load(block);
        std::uint32_t alive = static_cast<std::uint32_t>((std::uint64_t{1} << block.size()) - 1);
        while (alive != 0 && image < question_.num_images) {
            const Size count = together(image, __builtin_popcount(alive));
            alive = show(image, count, alive);
            image += count;
            if (__builtin_popcount(alive) < stay_) break;
        }
        for (std::size_t lane = 0; lane < block.size(); ++lane)
            if ((alive >> lane & 1) != 0) keep({block[lane].index, loss_.get()[lane], margin_.get()[lane]}, image);
    }

    void load(const std::vector<Member>& block) {
        std::uint64_t index[max_lanes];
        for (Size lane = 0; lane < engine_.lanes; ++lane) {
            // Lanes without a member of their own repeat the first, and nobody looks at them.
            const Member& member =
                block[static_cast<std::size_t>(lane) < block.size() ? static_cast<std::size_t>(lane) : 0];
            index[lane] = member.index;
            loss_.get()[lane] = member.loss;
            margin_.get()[lane] = member.margin;
        }
        engine_.draw(question_.draws, index, space_.theta.get(), scale_.get());
    }

    // How many images to show before looking: more than one while enough members are expected to be right on them.
    Size together(Size image, int alive) const {
        double expected = alive;
        Size count = 1;
        while (count < max_together && image + count < question_.num_images) {
            const auto last = static_cast<std::size_t>(image + count - 1);
            expected *= passed_[last] / shown_[last];
            if (expected < stay_) break;
            ++count;
        }
        return count;
    }

    std::uint32_t show(Size image, Size count, std::uint32_t alive) {
        const Program& program = question_.program;
        const float* logits =
            engine_.evaluate(program, space_.theta.get(), question_.images + image * program.input_size, count, space_);
        for (Size i = image; i < image + count && alive != 0; ++i) {
            const int before = __builtin_popcount(alive);
            alive &= engine_.score(logits, program.output_size, question_.labels[i], scale_.get(), bounds_, loss_.get(),
                                   margin_.get());
            logits += program.output_size * engine_.lanes;
            found_.images_shown += static_cast<std::uint64_t>(before);
            shown_[static_cast<std::size_t>(i)] += before;
            passed_[static_cast<std::size_t>(i)] += __builtin_popcount(alive);
        }
        return alive;
    }

    void keep(Member member, Size image) {
        if (image == question_.num_images) {
            member.loss /= static_cast<float>(question_.num_images);
            found_.members.push_back(member);
            return;
        }
        std::vector<Member>& queue = waiting_[static_cast<std::size_t>(image)];
        queue.push_back(member);
        if (queue.size() % static_cast<std::size_t>(engine_.lanes) == 0) ripe_.push_back(image);
    }

    static constexpr int max_lanes = 16;
    const Engine& engine_;
    const Question& question_;
    Workspace space_;
    Buffer scale_, loss_, margin_;
    Bounds bounds_{};
    double stay_ = 0;  // lanes that must live for a block to go on
    std::vector<std::vector<Member>> waiting_;  // by the image that they see next
    std::vector<Size> ripe_;
    std::vector<double> shown_, passed_;  // by image, from one success in two
    Found found_;
};

}  // namespace goodminima
