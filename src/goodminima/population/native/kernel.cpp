// The Python module `goodminima.population.native._kernel`: checks what arrives, releases the GIL, calls an engine.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "caches.h"
#include "engine.h"
#include "gradient.h"
#include "neuron_space.h"
#include "program.h"
#include "screen.h"
#include "stream.h"
#include "train.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define LANES_NAMESPACE avx512
#define LANES_NAME "avx512"
#define LANES_TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#define LANES 16
#define LANES_ACCUMULATORS 24
#include "lanes.h"

#define LANES_NAMESPACE avx2
#define LANES_NAME "avx2"
#define LANES_TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define LANES_ACCUMULATORS 12
#include "lanes.h"

#define LANES_NAMESPACE baseline
#define LANES_NAME "baseline"
#define LANES_TARGET
#define LANES 4
#define LANES_ACCUMULATORS 10
#include "lanes.h"

#else  // 32 registers of 4 floats, as on ARM

#define LANES_NAMESPACE baseline
#define LANES_NAME "baseline"
#define LANES_TARGET
#define LANES 4
#define LANES_ACCUMULATORS 24
#include "lanes.h"

#endif

namespace py = pybind11;

namespace goodminima {
namespace {

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

// Best first.
std::vector<const Engine*> engines() {
    std::vector<const Engine*> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (wide && fused) found.push_back(&avx512::engine);
    if (fused) found.push_back(&avx2::engine);
#endif
    found.push_back(&baseline::engine);
    return found;
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Engine* engine : engines()) names.emplace_back(engine->name);
    return names;
}

const Engine& engine_named(const std::string& name) {
    for (const Engine* engine : engines())
        if (name == engine->name) return *engine;
    throw std::invalid_argument("instruction set '" + name + "' is not one that this machine runs");
}

void check(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

Program parse(const py::sequence& layers, const std::vector<Size>& input_shape, Size parameters,
              bool fuse_pools = true, bool shared_images = true) {
    std::vector<Layer> parsed;
    for (const py::handle& item : layers) {
        const auto entry = py::cast<py::tuple>(item);
        check(!entry.empty(), "program: a layer must be a tuple that begins with its name");
        Layer layer{py::cast<std::string>(entry[0]), {}};
        for (std::size_t i = 1; i < entry.size(); ++i) layer.numbers.push_back(py::cast<Size>(entry[i]));
        parsed.push_back(std::move(layer));
    }
    return build_program(parsed, input_shape, parameters, fuse_pools, shared_images);
}

// The whole of theta, cut at the weights that enter the normaliser.
std::vector<Run> cut(std::vector<std::pair<Size, Size>> weights, Size parameters) {
    std::sort(weights.begin(), weights.end());
    std::vector<Run> runs;
    Size done = 0;
    for (const auto& [offset, size] : weights) {
        check(offset >= done && size >= 1 && size <= parameters - offset,
              "weights: (" + std::to_string(offset) + ", " + std::to_string(size) +
                  ") overlaps another or does not lie within the parameters");
        if (offset > done) runs.push_back({done, offset, false});
        runs.push_back({offset, offset + size, true});
        done = offset + size;
    }
    if (done < parameters) runs.push_back({done, parameters, false});
    return runs;
}

Array<float> draw(const std::string& set, const Array<float>& half_width, std::uint64_t seed,
                  const Array<std::uint64_t>& indices) {
    check(half_width.ndim() == 1 && indices.ndim() == 1, "half_width and indices must have one axis each");
    const Engine& engine = engine_named(set);
    const Size parameters = half_width.size(), members = indices.size(), lanes = engine.lanes;
    const Draws draws{half_width.data(), {{0, parameters, false}}, seed, 1.0};
    Array<float> out({members, parameters});
    const std::uint64_t* index = indices.data();
    float* row = out.mutable_data();
    {
        const py::gil_scoped_release release;
        const Buffer theta(parameters * lanes), scale(lanes);
        std::vector<std::uint64_t> block(static_cast<std::size_t>(lanes));
        for (Size first = 0; first < members; first += lanes) {
            for (Size lane = 0; lane < lanes; ++lane)
                block[static_cast<std::size_t>(lane)] = index[std::min(first + lane, members - 1)];
            engine.draw(draws, block.data(), theta.get(), scale.get());
            for (Size lane = 0; lane < std::min(lanes, members - first); ++lane, row += parameters)
                for (Size i = 0; i < parameters; ++i) row[i] = theta.get()[i * lanes + lane];
        }
    }
    return out;
}

using Screened = std::tuple<Array<std::int64_t>, Array<float>, Array<float>, std::uint64_t>;

Screened as_arrays(const Found& found) {
    const auto size = static_cast<Size>(found.members.size());
    Array<std::int64_t> index(size);
    Array<float> loss(size), margin(size);
    for (Size i = 0; i < size; ++i) {
        const Member& member = found.members[static_cast<std::size_t>(i)];
        index.mutable_data()[i] = static_cast<std::int64_t>(member.index);
        loss.mutable_data()[i] = member.loss;
        margin.mutable_data()[i] = member.margin;
    }
    return {index, loss, margin, found.images_shown};
}

Screened screen(const std::string& set, const py::sequence& layers, const std::vector<Size>& input_shape,
                const Array<float>& half_width, const std::vector<std::pair<Size, Size>>& weights, double unit,
                const Array<float>& images, const Array<std::int64_t>& labels, std::uint64_t seed, std::uint64_t start,
                std::uint64_t count, double loss_below, double slack) {
    check(half_width.ndim() == 1, "half_width must have one axis");
    const Program program = parse(layers, input_shape, half_width.size());
    const Draws draws{half_width.data(), cut(weights, program.parameters), seed, unit};
    const Question question{program, draws, images.data(), labels.data(), labels.size(), loss_below, slack};
    check(question.num_images >= 1 && labels.ndim() == 1, "y must have one axis and at least one image");
    check(images.size() == question.num_images * program.input_size, "x does not have len(y) images of input_shape");
    check(program.output_size >= 2, "the net must have at least two logits");
    for (Size i = 0; i < question.num_images; ++i)
        check(question.labels[i] >= 0 && question.labels[i] < program.output_size,
              "y holds a label that the net has no logit for");
    Found found;
    {
        const py::gil_scoped_release release;
        found = Screen(engine_named(set), question).run(start, count);
    }
    return as_arrays(found);
}

Array<float> logits(const std::string& set, const py::sequence& layers, const std::vector<Size>& input_shape,
                    const Array<float>& theta, const Array<float>& images) {
    check(theta.ndim() == 2, "theta must have two axes, (members, parameters)");
    const Engine& engine = engine_named(set);
    const Size members = theta.shape(0), parameters = theta.shape(1), lanes = engine.lanes;
    const Program program = parse(layers, input_shape, parameters);
    const Size num_images = images.size() / program.input_size, classes = program.output_size;
    check(images.size() == num_images * program.input_size, "x does not hold whole images of input_shape");
    Array<float> out({members, num_images, classes});
    const float *all_theta = theta.data(), *all_images = images.data();
    float* target = out.mutable_data();
    const py::gil_scoped_release release;
    Workspace space(program, lanes);
    for (Size first = 0; first < members; first += lanes) {
        engine.gather(all_theta, members, parameters, first, space.theta.get());
        for (Size image = 0; image < num_images; image += max_together) {
            const Size count = std::min(max_together, num_images - image);
            const float* block =
                engine.evaluate(program, space.theta.get(), all_images + image * program.input_size, count, space);
            for (Size lane = 0; lane < std::min(lanes, members - first); ++lane)
                for (Size i = 0; i < count * classes; ++i)
                    target[((first + lane) * num_images + image) * classes + i] = block[i * lanes + lane];
        }
    }
    return out;
}

void check_labels(const Array<std::int64_t>& labels, Size num_images, Size classes) {
    check(labels.ndim() == 1 && num_images >= 1, "y must have one axis and at least one label");
    check(labels.size() == num_images, "y must hold a label for each of the " + std::to_string(num_images) +
                                           " images of x, got " + std::to_string(labels.size()));
    for (Size i = 0; i < num_images; ++i)
        check(labels.data()[i] >= 0 && labels.data()[i] < classes,
              "y must hold labels from 0 to " + std::to_string(classes - 1) + ", got " +
                  std::to_string(labels.data()[i]));
}

Array<float> gradient(const std::string& set, const py::sequence& layers, const std::vector<Size>& input_shape,
                      const Array<float>& theta, const Array<float>& images, const Array<std::int64_t>& labels) {
    check(theta.ndim() == 2, "theta must have two axes, (members, parameters)");
    const Engine& engine = engine_named(set);
    const Size members = theta.shape(0), parameters = theta.shape(1), num_images = images.shape(0);
    const GradientPlan plan(parse(layers, input_shape, parameters, false), std::min(max_together, num_images));
    check(images.size() == num_images * plan.program.input_size, "x does not hold whole images of input_shape");
    check_labels(labels, num_images, plan.program.output_size);
    Array<float> out({members, parameters});
    const float *all_theta = theta.data(), *all_images = images.data();
    const std::int64_t* all_labels = labels.data();
    float* target = out.mutable_data();
    const float share = 1.0f / static_cast<float>(num_images);
    const py::gil_scoped_release release;
    GradientSpace space(plan, engine.lanes);
    for (Size first = 0; first < members; first += engine.lanes) {
        engine.gather(all_theta, members, parameters, first, space.theta.get());
        for (Size image = 0; image < num_images; image += max_together)
            engine.gradient(plan, all_images + image * plan.program.input_size, all_labels + image,
                            std::min(max_together, num_images - image), share, image > 0, space);
        engine.scatter(space.gradient.get(), members, parameters, first, target);
    }
    return out;
}

#include "train_module.h"

Size multiply_adds(const py::sequence& layers, const std::vector<Size>& input_shape, Size parameters) {
    return parse(layers, input_shape, parameters).multiply_adds;
}

// The two things that bound the speed, to be timed by the caller.
double spin(const std::string& set, std::int64_t rounds) {
    const Engine& engine = engine_named(set);
    const py::gil_scoped_release release;
    volatile float result = engine.spin(rounds);
    (void)result;
    return static_cast<double>(rounds) * static_cast<double>(engine.spin_flops);
}

void generate(const std::string& set, const Array<float>& half_width, const std::vector<std::pair<Size, Size>>& weights,
              std::uint64_t seed, std::uint64_t count) {
    const Engine& engine = engine_named(set);
    const Draws draws{half_width.data(), cut(weights, half_width.size()), seed, 1.0};
    const py::gil_scoped_release release;
    const Buffer theta(half_width.size() * engine.lanes), scale(engine.lanes);
    std::vector<std::uint64_t> index(static_cast<std::size_t>(engine.lanes));
    for (std::uint64_t first = 0; first < count; first += index.size()) {
        for (std::size_t lane = 0; lane < index.size(); ++lane) index[lane] = first + lane;
        engine.draw(draws, index.data(), theta.get(), scale.get());
    }
}

}  // namespace
}  // namespace goodminima

#include "jury_binding.h"
#include "neuron_binding.h"
#include "search_binding.h"

PYBIND11_MODULE(_kernel, module, py::mod_gil_not_used()) {
    using namespace goodminima;
    module.def("instruction_sets", &instruction_sets);
    module.def("draw", &draw);
    module.def("screen", &screen);
    module.def("logits", &logits);
    module.def("gradient", &gradient);
    module.def("train", &train);
    module.def("multiply_adds", &multiply_adds);
    module.def("spin", &spin);
    module.def("generate", &generate);
    bind_pattern_search(module);
    bind_jury(module);
    bind_neurons(module);
}
