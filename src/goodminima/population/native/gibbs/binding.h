// Gibbs walks in Python: checks what arrives, releases the GIL, walks. Included by kernel.cpp.

#pragma once

#include <memory>

#include "common/binding.h"
#include "gibbs/walker.h"

namespace goodminima {
namespace {

std::unique_ptr<GibbsWalker> gibbs_walker(const std::string& set, const Net& net, const Array<float>& half_width,
                                          const Array<float>& images, const Array<std::int64_t>& labels) {
    check_classes(net);
    return std::make_unique<GibbsWalker>(
        kernels_named(set), net.program(false),
        GibbsProblem{box_of(net, half_width), net.normaliser(), dataset_of(net, images, labels)});
}

void check_walk(const GibbsWalker& walker, const Array<float>& theta, int threads) {
    check(theta.ndim() == 2 && theta.shape(1) == walker.parameters(),
          "theta must have shape (members, " + std::to_string(walker.parameters()) + ")");
    check_threads(threads);
}

std::pair<Array<float>, Array<double>> evaluate(const GibbsWalker& walker, const Array<float>& theta, int threads) {
    check_walk(walker, theta, threads);
    const Size members = theta.shape(0);
    Array<float> margins({members, walker.examples()});
    Array<double> losses(members);
    const float* from = theta.data();
    float* to = margins.mutable_data();
    double* sums = losses.mutable_data();
    {
        const py::gil_scoped_release release;
        walker.evaluate(from, members, threads, to, sums);
    }
    return {margins, losses};
}

py::tuple walk(const GibbsWalker& walker, const Array<float>& theta, const Array<float>& above, double at_least,
               double below, std::uint64_t seed, const Array<std::uint64_t>& streams, Size sweeps, int threads) {
    check_walk(walker, theta, threads);
    const Size members = theta.shape(0);
    check(above.ndim() == 1 && above.size() == walker.examples(),
          "above must have shape (" + std::to_string(walker.examples()) + ",)");
    check(streams.ndim() == 1 && streams.size() == members, "streams must hold a number for each member");
    check(sweeps >= 0, "sweeps must not be negative");
    const LevelSet level{{above.data(), above.data() + above.size()}, at_least, below};
    Array<float> walked({members, walker.parameters()});
    std::copy_n(theta.data(), theta.size(), walked.mutable_data());
    float* rows = walked.mutable_data();
    const std::uint64_t* stream = streams.data();
    ProposalCounts counts(0);
    {
        const py::gil_scoped_release release;
        counts = walker.walk(rows, members, level, seed, stream, sweeps, threads);
    }
    return py::make_tuple(walked, counts.proposed, counts.accepted, counts.multiply_adds);
}

void bind_gibbs(py::module_& module) {
    py::class_<GibbsWalker>(module, "GibbsWalker")
        .def(py::init(&gibbs_walker))
        .def_property_readonly("multiply_adds", &GibbsWalker::multiply_adds)
        .def("evaluate", &evaluate)
        .def("walk", &walk);
}

}  // namespace
}  // namespace goodminima
