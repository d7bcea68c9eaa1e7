// Gradients and trainings in Python: checks what arrives, releases the GIL, runs. Included by kernel.cpp.

#pragma once

#include <tuple>

#include "common/binding.h"
#include "training/trainer.h"

namespace goodminima {
namespace {

Array<float> gradient(const std::string& set, const Net& net, const Array<float>& theta, const Array<float>& images,
                      const Array<std::int64_t>& labels) {
    check_members(net, theta);
    check_images(net, images);
    check_labels(net, labels, images.shape(0));
    const Kernels& kernels = kernels_named(set);
    const Size members = theta.shape(0), parameters = net.parameters(), num_images = images.shape(0);
    const GradientPlan plan(net.program(false), std::min(max_together, num_images));
    Array<float> out({members, parameters});
    const float *all_theta = theta.data(), *all_images = images.data();
    const std::int64_t* all_labels = labels.data();
    float* target = out.mutable_data();
    const float share = 1.0f / static_cast<float>(num_images);
    const py::gil_scoped_release release;
    GradientSpace space(plan, kernels.lanes);
    for (Size first = 0; first < members; first += kernels.lanes) {
        kernels.gather(all_theta, members, parameters, first, space.theta.get());
        for (Size image = 0; image < num_images; image += max_together)
            kernels.training->gradient(plan, all_images + image * plan.program.input_size, all_labels + image,
                                       std::min(max_together, num_images - image), share, image > 0, space);
        kernels.scatter(space.gradient.get(), members, parameters, first, target);
    }
    return out;
}

using BinArrays = std::tuple<Size, Array<std::int64_t>, Array<float>>;  // hits, the members kept, their parameters

BinArrays as_arrays(const BinContents& contents, Size parameters) {
    const auto size = static_cast<Size>(contents.kept.size());
    Array<std::int64_t> members(size);
    Array<float> theta({size, parameters});
    Size i = 0;
    for (const auto& [member, row] : contents.kept) {
        members.mutable_data()[i] = member;
        std::copy(row.begin(), row.end(), theta.mutable_data() + i * parameters);
        ++i;
    }
    return {contents.hits, members, theta};
}

Schedule schedule_of(const Array<std::int64_t>& rows, const std::vector<Size>& batches, Size num_images) {
    Schedule schedule{rows.data(), {0}};
    for (const Size batch : batches) {
        check(batch >= 1, "batches must hold at least one image each");
        schedule.begins.push_back(schedule.begins.back() + batch);
    }
    check(rows.ndim() == 1 && schedule.begins.back() == rows.size(),
          "rows must hold the images of all batches, one batch after the other");
    for (Size i = 0; i < rows.size(); ++i)
        check(rows.data()[i] >= 0 && rows.data()[i] < num_images, "rows names an image that x does not hold");
    return schedule;
}

// Tells Python how far it is, and stops where Python wants to.
Trainer::Callback callback_of(const py::function& callback) {
    return [&callback](const TrainingResult& result) {
        const py::gil_scoped_acquire hold;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        std::vector<Size> hits;
        for (const BinContents& contents : result.bins) hits.push_back(contents.hits);
        callback(result.finished, hits);
    };
}

std::pair<std::vector<BinArrays>, Size> train(const std::string& set, const Net& net, const Array<float>& theta,
                                              const Array<float>& images, const Array<std::int64_t>& labels,
                                              const Array<std::int64_t>& rows, const std::vector<Size>& batches,
                                              float rate, float momentum,
                                              const std::vector<std::tuple<float, float, Size>>& bins,
                                              const py::function& callback) {
    check_members(net, theta);
    const Dataset data = dataset_of(net, images, labels);
    const Schedule schedule = schedule_of(rows, batches, data.size());
    const Program program = net.program(true, false);
    const Size largest = batches.empty() ? 1 : *std::max_element(batches.begin(), batches.end());
    const GradientPlan plan(net.program(false, false), std::min(max_together, largest));
    TrainingTask task{program, plan,         data,          schedule, {rate, momentum, &net.normaliser()},
                      {},      theta.data(), theta.shape(0)};
    for (const auto& [above, below, room] : bins) task.bins.push_back({above, below, room});
    TrainingResult result;
    {
        const py::gil_scoped_release release;
        result = Trainer(kernels_named(set), task, callback_of(callback)).run();
    }
    std::vector<BinArrays> found;
    for (const BinContents& contents : result.bins) found.push_back(as_arrays(contents, net.parameters()));
    return {found, result.nonfinite};
}

void bind_training(py::module_& module) {
    module.def("gradient", &gradient);
    module.def("train", &train);
}

}  // namespace
}  // namespace goodminima
