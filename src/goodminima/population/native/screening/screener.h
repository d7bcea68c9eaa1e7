// Guess & Check: which guesses of a range fit all images, and how well.
//
// A guess is a lane. Blocks of fresh guesses are shown the first images; where so few lanes of a block are left that
// showing on would mostly compute for the dead, the survivors wait until there are enough of them to fill a block, and
// are drawn anew: remaking a guess from its index is cheaper than moving its parameters about. What happens to a guess
// depends on its own lane only, so the bookkeeping here changes the speed and never the result.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "common/dataset.h"
#include "common/kernels.h"
#include "screening/kernels.h"

namespace goodminima {

// A guess that is right so far: the sum of its losses, and its smallest margin.
struct Candidate {
    std::uint64_t index;
    float loss, margin;
};

struct Screened {
    std::vector<Candidate> candidates;
    std::uint64_t images_shown = 0;
};

// What is guessed, and what a guess must fit.
struct Screener {
    const Kernels& kernels;
    Program program;
    std::vector<float> half_width;  // of the box that guesses are drawn from
    Normaliser normaliser;
    Dataset data;
    std::uint64_t seed;
    double loss_below, slack;

    Screened run(std::uint64_t start, std::uint64_t count) const;
};

// One range of guesses on one thread.
class Screening {
  public:
    explicit Screening(const Screener& task)
        : task_(task),
          lanes_(task.kernels.lanes),
          num_images_(task.data.size()),
          space_(task.program, lanes_),
          scale_(lanes_),
          loss_(lanes_),
          margin_(lanes_),
          queues_(static_cast<std::size_t>(num_images_)),
          shown_(queues_.size(), 2.0),
          passed_(queues_.size(), 1.0) {
        const double bound = static_cast<double>(num_images_) * task.loss_below * (1 + task.slack);
        const double largest = std::numeric_limits<float>::max();
        bounds_ = {static_cast<float>(-task.slack), static_cast<float>(std::min(bound, largest))};
        // In units of a multiply-add: a number drawn costs about ten of them (measured).
        const double show = static_cast<double>(task.program.multiply_adds);
        const double draw = 10.0 * static_cast<double>(task.program.parameters);
        least_alive_ = static_cast<double>(lanes_) * show / (show + draw);
    }

    Screened run(std::uint64_t start, std::uint64_t count) {
        const auto lanes = static_cast<std::uint64_t>(lanes_);
        std::vector<Candidate> block;
        for (std::uint64_t done = 0; done < count; done += lanes) {
            block.clear();
            for (std::uint64_t i = done; i < std::min(done + lanes, count); ++i)
                block.push_back({start + i, 0.0f, std::numeric_limits<float>::infinity()});
            screen(block, 0);
            screen_full_blocks();
        }
        for (Size image = 0; image < num_images_; ++image) {
            block.swap(queues_[static_cast<std::size_t>(image)]);
            if (!block.empty()) screen(block, image);
            block.clear();
            screen_full_blocks();
        }
        std::sort(screened_.candidates.begin(), screened_.candidates.end(),
                  [](const Candidate& a, const Candidate& b) { return a.index < b.index; });
        return std::move(screened_);
    }

  private:
    // Full blocks wait no longer.
    void screen_full_blocks() {
        while (!full_.empty()) {
            const Size image = full_.back();
            full_.pop_back();
            std::vector<Candidate>& queue = queues_[static_cast<std::size_t>(image)];
            const std::vector<Candidate> block(queue.end() - lanes_, queue.end());
            queue.resize(queue.size() - block.size());
            screen(block, image);
        }
    }

    // Shows images from `image` on to at most `lanes` candidates, until none is left or too few to go on together.
    void screen(const std::vector<Candidate>& block, Size image) {
        load(block);
        std::uint32_t alive = static_cast<std::uint32_t>((std::uint64_t{1} << block.size()) - 1);
        while (alive != 0 && image < num_images_) {
            const Size count = images_together(image, __builtin_popcount(alive));
            alive = show(image, count, alive);
            image += count;
            if (__builtin_popcount(alive) < least_alive_) break;
        }
        for (std::size_t lane = 0; lane < block.size(); ++lane)
            if ((alive >> lane & 1) != 0) keep({block[lane].index, loss_.get()[lane], margin_.get()[lane]}, image);
    }

    void load(const std::vector<Candidate>& block) {
        std::uint64_t index[max_lanes];
        for (Size lane = 0; lane < lanes_; ++lane) {
            // Lanes without a candidate of their own repeat the first, and nobody looks at them.
            const Candidate& candidate =
                block[static_cast<std::size_t>(lane) < block.size() ? static_cast<std::size_t>(lane) : 0];
            index[lane] = candidate.index;
            loss_.get()[lane] = candidate.loss;
            margin_.get()[lane] = candidate.margin;
        }
        task_.kernels.screening->draw(task_.half_width.data(), task_.normaliser, task_.seed, index, space_.theta.get(),
                                      scale_.get());
    }

    // How many images to show before looking: more than one while enough candidates are expected to be right on them.
    Size images_together(Size image, int alive) const {
        double expected = alive;
        Size count = 1;
        while (count < max_together && image + count < num_images_) {
            const auto last = static_cast<std::size_t>(image + count - 1);
            expected *= passed_[last] / shown_[last];
            if (expected < least_alive_) break;
            ++count;
        }
        return count;
    }

    std::uint32_t show(Size image, Size count, std::uint32_t alive) {
        const Program& program = task_.program;
        const float* images = task_.data.images.data() + image * program.input_size;
        const float* logits = task_.kernels.evaluate(program, space_.theta.get(), images, count, space_);
        for (Size i = image; i < image + count && alive != 0; ++i) {
            const int before = __builtin_popcount(alive);
            const auto place = static_cast<std::size_t>(i);
            alive &= task_.kernels.screening->score(logits, program.output_size, task_.data.labels[place], scale_.get(),
                                                    bounds_, loss_.get(), margin_.get());
            logits += program.output_size * lanes_;
            screened_.images_shown += static_cast<std::uint64_t>(before);
            shown_[place] += before;
            passed_[place] += __builtin_popcount(alive);
        }
        return alive;
    }

    // A candidate that has fitted all images is found; another waits for those from `image` on.
    void keep(Candidate candidate, Size image) {
        if (image == num_images_) {
            candidate.loss /= static_cast<float>(num_images_);
            screened_.candidates.push_back(candidate);
            return;
        }
        std::vector<Candidate>& queue = queues_[static_cast<std::size_t>(image)];
        queue.push_back(candidate);
        if (queue.size() % static_cast<std::size_t>(lanes_) == 0) full_.push_back(image);
    }

    static constexpr int max_lanes = 16;
    const Screener& task_;
    Size lanes_, num_images_;
    Workspace space_;
    Buffer scale_, loss_, margin_;
    Bounds bounds_{};
    double least_alive_ = 0;                      // lanes that must live for a block to go on
    std::vector<std::vector<Candidate>> queues_;  // by the image that they see next
    std::vector<Size> full_;                      // images whose queue holds a whole block
    std::vector<double> shown_, passed_;          // by image, from one success in two
    Screened screened_;
};

inline Screened Screener::run(std::uint64_t start, std::uint64_t count) const {
    return Screening(*this).run(start, count);
}

}  // namespace goodminima
