// A member in training: what it knows about each image where it stands, and what it has to do next.
//
// What it knows holds until its parameters change. A batch all of whose images are quiet (they move no weight) is a
// step that costs nothing, and whether a member fits is found out only where it is about to move on. So a member is
// shown far fewer images than its schedule has, and everything it does depends on itself alone.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine.h"

namespace goodminima {

// The batches of all steps, as numbers of images.
struct Schedule {
    const std::int64_t* images;
    std::vector<Size> begins;  // of each step, and the end of the last
    Size steps() const { return static_cast<Size>(begins.size()) - 1; }
};

enum class Wish { show, teach, move, leave };

class Pupil {
  public:
    Pupil(const Schedule& schedule, Size num_images) : schedule_(&schedule), images_(num_images) {}

    void begin() {
        step_ = at_ = suspect_ = 0;
        taught_ = moving_ = false;
        often_quiet_ = 0.5f;
        forget();
    }

    // What to do next; `asked` then holds the images to be shown or taught.
    Wish decide() {
        asked.clear();
        if (stuck()) return Wish::leave;
        while (step_ < schedule_->steps()) {
            // Where most images are quiet, looking first is cheaper than a gradient of nothing.
            for (Size at = at_; often_quiet_ > 0.4f && at < batch_size(); ++at)
                if (known(batch(at)) == Knowledge::nothing) return show(batch(at));
            for (Size at = at_; at < batch_size() && static_cast<Size>(asked.size()) < max_together; ++at)
                if (known(batch(at)) != Knowledge::quiet) asked.push_back(at);
            if (!asked.empty()) return teach();
            if (taught_ || moving_) return judged() ? Wish::move : show(next_unknown());
            next_step();
        }
        return judged() ? Wish::leave : show(next_unknown());
    }

    void note(Size image, bool right, bool quiet, float loss) {
        Image& entry = images_[static_cast<std::size_t>(image)];
        if (entry.known != Knowledge::nothing) return;
        entry = {quiet ? Knowledge::quiet : Knowledge::something, loss};
        --unknown_;
        if (quiet) ++quiet_;
        if (!right) {
            fails_ = true;
            suspect_ = image;
        }
        often_quiet_ += ((quiet ? 1.0f : 0.0f) - often_quiet_) / 8;
        last_ = image;
    }

    // The first `count` of the images asked for have been taught.
    void taught(Size count) {
        for (Size i = 0; i < count; ++i) taught_ = taught_ || known(asked[index(i)]) != Knowledge::quiet;
        at_ = last_at_[index(count) - 1] + 1;
    }

    // What one image weighs in the gradient of its batch.
    float share() const { return 1.0f / static_cast<float>(batch_size()); }

    void moved(bool changed, bool moving) {
        moving_ = moving;
        if (changed) forget();
        next_step();
    }

    // Whether it is known where it stands: one image wrong, or all of them seen.
    bool judged() const { return fails_ || unknown_ == 0; }
    bool fits() const { return !fails_ && unknown_ == 0; }

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
    enum class Knowledge : std::uint8_t { nothing, something, quiet };

    struct Image {
        Knowledge known = Knowledge::nothing;
        float loss = 0;
    };

    Size batch_size() const { return schedule_->begins[index(step_) + 1] - schedule_->begins[index(step_)]; }
    Size batch(Size at) const { return static_cast<Size>(schedule_->images[schedule_->begins[index(step_)] + at]); }
    Knowledge known(Size image) const { return images_[index(image)].known; }
    static std::size_t index(Size i) { return static_cast<std::size_t>(i); }

    // Nothing will ever move it again.
    bool stuck() const { return quiet_ == static_cast<Size>(images_.size()) && !moving_ && !taught_; }

    Wish show(Size image) {
        asked.assign(1, image);
        return Wish::show;
    }

    Wish teach() {
        last_at_ = asked;
        for (Size& place : asked) place = batch(place);
        return Wish::teach;
    }

    // The image that was wrong last is the likeliest to be wrong again.
    Size next_unknown() {
        if (known(suspect_) == Knowledge::nothing) return suspect_;
        while (known(cursor_) != Knowledge::nothing) ++cursor_;
        return cursor_;
    }

    void next_step() {
        ++step_;
        at_ = 0;
        taught_ = false;
    }

    void forget() {
        std::fill(images_.begin(), images_.end(), Image{});
        unknown_ = static_cast<Size>(images_.size());
        quiet_ = cursor_ = 0;
        fails_ = false;
    }

    const Schedule* schedule_;
    std::vector<Image> images_;
    std::vector<Size> last_at_;  // places in the batch of the images asked for
    Size step_ = 0, at_ = 0;     // the next step, and how far its batch is dealt with
    Size unknown_ = 0, quiet_ = 0, cursor_ = 0, suspect_ = 0, last_ = 0;
    bool fails_ = false, taught_ = false, moving_ = false;
    float often_quiet_ = 0.5f;
};

}  // namespace goodminima
