// Pattern Search in Python: checks what arrives, releases the GIL, runs. Included by kernel.cpp, see there.

#pragma once

#include "pattern.h"

namespace goodminima {
namespace {

std::unique_ptr<PatternSearch> pattern_search(const std::string& set, const py::sequence& layers,
                                              const std::vector<Size>& input_shape, const Array<float>& theta,
                                              const std::vector<std::pair<Size, Size>>& weights, double unit,
                                              const Array<float>& images, const Array<std::int64_t>& labels,
                                              std::uint64_t seed, std::uint64_t stream, float radius, Size best_of,
                                              bool proceed, Size patience) {
    check(theta.ndim() == 1, "theta must have one axis");
    const Size parameters = theta.size(), examples = images.shape(0);
    check(parameters < Size{1} << 31, "theta must have fewer than 2^31 entries");
    Program program = parse(layers, input_shape, parameters, false);
    check(images.size() == examples * program.input_size, "x does not hold whole images of input_shape");
    check(program.output_size >= 2, "the net must have at least two logits");
    check_labels(labels, examples, program.output_size);
    check(radius > 0 && best_of >= 1 && patience >= 1, "radius, best_of and patience must be positive");
    SearchTask task{{theta.data(), theta.data() + parameters},
                    cut(weights, parameters),
                    unit,
                    {images.data(), images.data() + images.size()},
                    {labels.data(), labels.data() + examples},
                    seed,
                    stream,
                    radius,
                    best_of,
                    proceed,
                    patience};
    const py::gil_scoped_release release;
    return std::make_unique<PatternSearch>(engine_named(set), std::move(program), std::move(task));
}

void bind_pattern_search(py::module_& module) {
    py::class_<PatternSearch>(module, "PatternSearch")
        .def(py::init(&pattern_search))
        .def("run",
             [](PatternSearch& search, Size candidates, Size steps, bool fitted, double loss_below, int threads) {
                 const py::gil_scoped_release release;
                 search.run(candidates, {steps, fitted, loss_below}, threads);
             })
        .def_property_readonly("theta",
                               [](const PatternSearch& search) {
                                   const std::vector<float>& theta = search.theta();
                                   return Array<float>(static_cast<Size>(theta.size()), theta.data());
                               })
        .def_property_readonly("loss", &PatternSearch::loss)
        .def_property_readonly("right", &PatternSearch::right)
        .def_property_readonly("candidates", &PatternSearch::candidates)
        .def_property_readonly("steps", &PatternSearch::steps)
        .def_property_readonly("failures", &PatternSearch::failures)
        .def_property_readonly("halvings", &PatternSearch::halvings)
        .def_property_readonly("drift", &PatternSearch::drift)
        .def_property_readonly("by_tangent", &PatternSearch::by_tangent)
        .def_property_readonly("by_partial_sum", &PatternSearch::by_partial_sum);
}

}  // namespace
}  // namespace goodminima
