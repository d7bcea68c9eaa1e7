// Logits of many members in Python: checks what arrives, releases the GIL, evaluates. Included by kernel.cpp.

#pragma once

#include "common/binding.h"

namespace goodminima {
namespace {

Array<float> logits(const std::string& set, const Net& net, const Array<float>& theta, const Array<float>& images) {
    check_members(net, theta);
    check_images(net, images);
    const Kernels& kernels = kernels_named(set);
    const Program& program = net.fused();
    const Size members = theta.shape(0), parameters = net.parameters(), lanes = kernels.lanes;
    const Size num_images = images.shape(0), classes = net.classes();
    Array<float> out({members, num_images, classes});
    const float *all_theta = theta.data(), *all_images = images.data();
    float* target = out.mutable_data();
    const py::gil_scoped_release release;
    Workspace space(program, lanes);
    for (Size first = 0; first < members; first += lanes) {
        kernels.gather(all_theta, members, parameters, first, space.theta.get());
        for (Size image = 0; image < num_images; image += max_together) {
            const Size count = std::min(max_together, num_images - image);
            const float* block =
                kernels.evaluate(program, space.theta.get(), all_images + image * program.input_size, count, space);
            for (Size lane = 0; lane < std::min(lanes, members - first); ++lane)
                for (Size i = 0; i < count * classes; ++i)
                    target[((first + lane) * num_images + image) * classes + i] = block[i * lanes + lane];
        }
    }
    return out;
}

void bind_evaluation(py::module_& module) { module.def("logits", &logits); }

}  // namespace
}  // namespace goodminima
