// Local search in Python: checks what arrives, releases the GIL, runs. Included by kernel.cpp.

#pragma once

#include <memory>

#include "common/binding.h"
#include "local_search/member_scorer.h"
#include "local_search/pattern_search.h"

namespace goodminima {
namespace {

std::unique_ptr<IncrementalPatternSearch> pattern_search(const std::string& set, const Net& net,
                                                         const Array<float>& theta, const Array<float>& images,
                                                         const Array<std::int64_t>& labels, std::uint64_t seed,
                                                         std::uint64_t stream, float radius, Size best_of, bool proceed,
                                                         Size patience) {
    check(theta.ndim() == 1 && theta.size() == net.parameters(),
          "theta must have shape (" + std::to_string(net.parameters()) + ",)");
    check(net.parameters() < Size{1} << 31, "theta must have fewer than 2^31 entries");
    check(radius > 0 && best_of >= 1 && patience >= 1, "radius, best_of and patience must be positive");
    check_classes(net);
    Dataset data = dataset_of(net, images, labels);
    std::vector<float> start(theta.data(), theta.data() + theta.size());
    const PatternRule rule{seed, stream, radius, best_of, proceed, patience};
    const py::gil_scoped_release release;
    return std::make_unique<IncrementalPatternSearch>(kernels_named(set), net.program(false), net.normaliser(),
                                                      std::move(data), std::move(start), rule);
}

void bind_pattern_search(py::module_& module) {
    using Search = IncrementalPatternSearch;
    py::class_<Search>(module, "IncrementalPatternSearch")
        .def(py::init(&pattern_search))
        .def("run",
             [](Search& search, Size candidates, Size steps, bool fitted, double loss_below, int threads) {
                 const py::gil_scoped_release release;
                 search.run(candidates, {steps, fitted, loss_below}, threads);
             })
        .def_property_readonly("theta",
                               [](const Search& search) {
                                   const std::vector<float>& theta = search.theta();
                                   return Array<float>(static_cast<Size>(theta.size()), theta.data());
                               })
        .def_property_readonly("loss", &Search::loss)
        .def_property_readonly("num_correct", &Search::num_correct)
        .def_property_readonly("candidates", &Search::candidates)
        .def_property_readonly("steps", &Search::steps)
        .def_property_readonly("failures", &Search::failures)
        .def_property_readonly("num_halvings", &Search::num_halvings)
        .def_property_readonly("drift", &Search::drift)
        .def_property_readonly("by_tangent", &Search::by_tangent)
        .def_property_readonly("by_partial_sum", &Search::by_partial_sum);
}

std::unique_ptr<MemberScorer> member_scorer(const std::string& set, const Net& net, const Array<float>& images,
                                            const Array<std::int64_t>& labels) {
    check_classes(net);
    const Dataset data = dataset_of(net, images, labels);
    const py::gil_scoped_release release;
    return std::make_unique<MemberScorer>(kernels_named(set), net.program(false), net.normaliser(), data);
}

std::pair<Array<double>, Array<std::int64_t>> score(MemberScorer& scorer, const Array<float>& theta, double limit,
                                                    bool first, int threads) {
    check(theta.ndim() == 2 && theta.shape(1) == scorer.parameters(),
          "theta must have shape (members, " + std::to_string(scorer.parameters()) + ")");
    check_threads(threads);
    const Size members = theta.shape(0);
    std::vector<Score> scores;
    {
        const py::gil_scoped_release release;
        scores = scorer.score(theta.data(), members, limit, first, threads);
    }
    Array<double> sums(members);
    Array<std::int64_t> correct(members);
    for (Size i = 0; i < members; ++i) {
        sums.mutable_data()[i] = scores[static_cast<std::size_t>(i)].sum;
        correct.mutable_data()[i] = scores[static_cast<std::size_t>(i)].num_correct;
    }
    return {sums, correct};
}

void bind_local_search(py::module_& module) {
    bind_pattern_search(module);
    py::class_<MemberScorer>(module, "MemberScorer").def(py::init(&member_scorer)).def("score", &score);
}

}  // namespace
}  // namespace goodminima
