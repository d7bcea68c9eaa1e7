// The jury in Python: checks what arrives, releases the GIL, scores. Included by kernel.cpp, see there.

#pragma once

#include "jury.h"

namespace goodminima {
namespace {

std::unique_ptr<Jury> jury(const std::string& set, const py::sequence& layers, const std::vector<Size>& input_shape,
                           Size parameters, const std::vector<std::pair<Size, Size>>& weights, double unit,
                           const Array<float>& images, const Array<std::int64_t>& labels) {
    Program program = parse(layers, input_shape, parameters, false);
    check(images.size() == images.shape(0) * program.input_size, "x does not hold whole images of input_shape");
    check(program.output_size >= 2, "the net must have at least two logits");
    check_labels(labels, images.shape(0), program.output_size);
    Case about{cut(weights, parameters),
               unit,
               {images.data(), images.data() + images.size()},
               {labels.data(), labels.data() + labels.size()}};
    const py::gil_scoped_release release;
    return std::make_unique<Jury>(engine_named(set), std::move(program), std::move(about));
}

std::pair<Array<double>, Array<std::int64_t>> score(Jury& jury, const Array<float>& theta, double limit, bool first,
                                                    int threads) {
    check(theta.ndim() == 2 && theta.shape(1) == jury.parameters(),
          "theta must have shape (members, " + std::to_string(jury.parameters()) + ")");
    check(threads >= 1, "threads must be at least 1");
    const Size members = theta.shape(0);
    std::vector<Tally> tallies;
    {
        const py::gil_scoped_release release;
        tallies = jury.score(theta.data(), members, limit, first, threads);
    }
    Array<double> sums(members);
    Array<std::int64_t> right(members);
    for (Size i = 0; i < members; ++i) {
        sums.mutable_data()[i] = tallies[static_cast<std::size_t>(i)].sum;
        right.mutable_data()[i] = tallies[static_cast<std::size_t>(i)].right;
    }
    return {sums, right};
}

void bind_jury(py::module_& module) {
    py::class_<Jury>(module, "Jury").def(py::init(&jury)).def("score", &score);
}

}  // namespace
}  // namespace goodminima
