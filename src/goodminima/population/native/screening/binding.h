// Guesses in Python: checks what arrives, releases the GIL, draws or screens. Included by kernel.cpp.

#pragma once

#include <memory>
#include <tuple>

#include "common/binding.h"
#include "screening/screener.h"

namespace goodminima {
namespace {

Array<float> draw(const std::string& set, const Array<float>& half_width, std::uint64_t seed,
                  const Array<std::uint64_t>& indices) {
    check(half_width.ndim() == 1 && indices.ndim() == 1, "half_width and indices must have one axis each");
    const Kernels& kernels = kernels_named(set);
    const Size parameters = half_width.size(), members = indices.size(), lanes = kernels.lanes;
    const Normaliser none({}, parameters, 1.0);
    Array<float> out({members, parameters});
    const float* box = half_width.data();
    const std::uint64_t* index = indices.data();
    float* row = out.mutable_data();
    {
        const py::gil_scoped_release release;
        const Buffer theta(parameters * lanes), scale(lanes);
        std::vector<std::uint64_t> block(static_cast<std::size_t>(lanes));
        for (Size first = 0; first < members; first += lanes) {
            for (Size lane = 0; lane < lanes; ++lane)
                block[static_cast<std::size_t>(lane)] = index[std::min(first + lane, members - 1)];
            kernels.screening->draw(box, none, seed, block.data(), theta.get(), scale.get());
            for (Size lane = 0; lane < std::min(lanes, members - first); ++lane, row += parameters)
                for (Size i = 0; i < parameters; ++i) row[i] = theta.get()[i * lanes + lane];
        }
    }
    return out;
}

// Draws guesses 0 .. count - 1 and forgets them: what the caller times.
void generate(const std::string& set, const Array<float>& half_width, const std::vector<std::pair<Size, Size>>& weights,
              std::uint64_t seed, std::uint64_t count) {
    const Kernels& kernels = kernels_named(set);
    const Normaliser normaliser(weights, half_width.size(), 1.0);
    const float* box = half_width.data();
    const Size parameters = half_width.size();
    const py::gil_scoped_release release;
    const Buffer theta(parameters * kernels.lanes), scale(kernels.lanes);
    std::vector<std::uint64_t> index(static_cast<std::size_t>(kernels.lanes));
    for (std::uint64_t first = 0; first < count; first += index.size()) {
        for (std::size_t lane = 0; lane < index.size(); ++lane) index[lane] = first + lane;
        kernels.screening->draw(box, normaliser, seed, index.data(), theta.get(), scale.get());
    }
}

std::unique_ptr<Screener> screener(const std::string& set, const Net& net, const Array<float>& half_width,
                                   const Array<float>& images, const Array<std::int64_t>& labels, std::uint64_t seed,
                                   double loss_below, double slack) {
    check_classes(net);
    return std::make_unique<Screener>(Screener{kernels_named(set), net.fused(), box_of(net, half_width),
                                               net.normaliser(), dataset_of(net, images, labels), seed, loss_below,
                                               slack});
}

using ScreenedArrays = std::tuple<Array<std::int64_t>, Array<float>, Array<float>, std::uint64_t>;

ScreenedArrays screen(const Screener& screener, std::uint64_t start, std::uint64_t count) {
    Screened found;
    {
        const py::gil_scoped_release release;
        found = screener.run(start, count);
    }
    const auto size = static_cast<Size>(found.candidates.size());
    Array<std::int64_t> index(size);
    Array<float> loss(size), margin(size);
    for (Size i = 0; i < size; ++i) {
        const Candidate& candidate = found.candidates[static_cast<std::size_t>(i)];
        index.mutable_data()[i] = static_cast<std::int64_t>(candidate.index);
        loss.mutable_data()[i] = candidate.loss;
        margin.mutable_data()[i] = candidate.margin;
    }
    return {index, loss, margin, found.images_shown};
}

void bind_screening(py::module_& module) {
    module.def("draw", &draw);
    module.def("generate", &generate);
    py::class_<Screener>(module, "Screener").def(py::init(&screener)).def("run", &screen);
}

}  // namespace
}  // namespace goodminima
