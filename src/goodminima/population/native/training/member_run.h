// One member's training: what is known about each image where it stands, and what it has to do next.
//
// What is known holds until its parameters change. A batch all of whose images are saturated (they move no weight) is a
// step that costs nothing, and whether a member fits is found out only where it is about to take a step. So a member is
// shown far fewer images than its schedule has, and everything it does depends on itself alone.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/kernels.h"

namespace goodminima {

// The batches of all steps, as numbers of images.
struct Schedule {
    const std::int64_t* images;
    std::vector<Size> begins;  // of each step, and the end of the last
    Size steps() const { return static_cast<Size>(begins.size()) - 1; }
};

// What a member needs next: to be shown an image, a gradient of images, a step; or nothing more.
enum class Need { evaluation, gradient, step, nothing };

class MemberRun {
  public:
    MemberRun(const Schedule& schedule, Size num_images) : schedule_(&schedule), images_(num_images) {}

    void begin() {
        step_ = place_ = last_wrong_ = 0;
        has_gradient_ = has_velocity_ = false;
        saturated_share_ = 0.5f;
        forget();
    }

    // What to do next; `asked` then holds the images.
    Need decide() {
        asked.clear();
        if (stuck()) return Need::nothing;
        while (step_ < schedule_->steps()) {
            // Where most images are saturated, looking first is cheaper than a gradient of nothing.
            for (Size place = place_; saturated_share_ > 0.4f && place < batch_size(); ++place)
                if (known(batch(place)) == Knowledge::none) return need_evaluation(batch(place));
            for (Size place = place_; place < batch_size() && static_cast<Size>(asked.size()) < max_together; ++place)
                if (known(batch(place)) != Knowledge::saturated) asked.push_back(place);
            if (!asked.empty()) return need_gradient();
            if (has_gradient_ || has_velocity_) return decided() ? Need::step : need_evaluation(next_unseen());
            next_step();
        }
        return decided() ? Need::nothing : need_evaluation(next_unseen());
    }

    void record(Size image, bool correct, bool saturated, float loss) {
        Image& entry = images_[static_cast<std::size_t>(image)];
        if (entry.known != Knowledge::none) return;
        entry = {saturated ? Knowledge::saturated : Knowledge::active, loss};
        --unseen_;
        if (saturated) ++num_saturated_;
        if (!correct) {
            fails_ = true;
            last_wrong_ = image;
        }
        saturated_share_ += ((saturated ? 1.0f : 0.0f) - saturated_share_) / 8;
        last_ = image;
    }

    // The first `count` of the images asked for have entered the gradient.
    void add_gradient(Size count) {
        for (Size i = 0; i < count; ++i)
            has_gradient_ = has_gradient_ || known(asked[index(i)]) != Knowledge::saturated;
        place_ = asked_places_[index(count) - 1] + 1;
    }

    // What one image weighs in the gradient of its batch.
    float share() const { return 1.0f / static_cast<float>(batch_size()); }

    void take_step(bool changed, bool moving) {
        has_velocity_ = moving;
        if (changed) forget();
        next_step();
    }

    // Whether it is known where it stands: one image wrong, or all of them seen.
    bool decided() const { return fails_ || unseen_ == 0; }
    bool fits() const { return !fails_ && unseen_ == 0; }

    // The mean over all images, added in their order whatever the order in which they were seen.
    float loss() const {
        double sum = 0;
        for (const Image& image : images_) sum += static_cast<double>(image.loss);
        return static_cast<float>(sum / static_cast<double>(images_.size()));
    }

    // Seen last: what to show it again while it waits for others.
    Size last_image() const { return last_; }

    std::vector<Size> asked;

  private:
    enum class Knowledge : std::uint8_t { none, active, saturated };

    struct Image {
        Knowledge known = Knowledge::none;
        float loss = 0;
    };

    Size batch_size() const { return schedule_->begins[index(step_) + 1] - schedule_->begins[index(step_)]; }
    Size batch(Size place) const {
        return static_cast<Size>(schedule_->images[schedule_->begins[index(step_)] + place]);
    }
    Knowledge known(Size image) const { return images_[index(image)].known; }
    static std::size_t index(Size i) { return static_cast<std::size_t>(i); }

    // Nothing will ever move it again.
    bool stuck() const {
        return num_saturated_ == static_cast<Size>(images_.size()) && !has_velocity_ && !has_gradient_;
    }

    Need need_evaluation(Size image) {
        asked.assign(1, image);
        return Need::evaluation;
    }

    Need need_gradient() {
        asked_places_ = asked;
        for (Size& place : asked) place = batch(place);
        return Need::gradient;
    }

    // The image that was wrong last is the likeliest to be wrong again.
    Size next_unseen() {
        if (known(last_wrong_) == Knowledge::none) return last_wrong_;
        while (known(cursor_) != Knowledge::none) ++cursor_;
        return cursor_;
    }

    void next_step() {
        ++step_;
        place_ = 0;
        has_gradient_ = false;
    }

    void forget() {
        std::fill(images_.begin(), images_.end(), Image{});
        unseen_ = static_cast<Size>(images_.size());
        num_saturated_ = cursor_ = 0;
        fails_ = false;
    }

    const Schedule* schedule_;
    std::vector<Image> images_;
    std::vector<Size> asked_places_;  // places in the batch of the images asked for
    Size step_ = 0, place_ = 0;       // the next step, and how far its batch is dealt with
    Size unseen_ = 0, num_saturated_ = 0, cursor_ = 0, last_wrong_ = 0, last_ = 0;
    bool fails_ = false, has_gradient_ = false, has_velocity_ = false;
    float saturated_share_ = 0.5f;
};

}  // namespace goodminima
