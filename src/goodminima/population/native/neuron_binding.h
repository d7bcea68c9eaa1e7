// Walks by single units and filters in Python: checks what arrives, releases the GIL, walks. Included by kernel.cpp.

#pragma once

#include "neuron_field.h"

namespace goodminima {
namespace {

std::unique_ptr<NeuronField> neuron_field(const std::string& set, const py::sequence& layers,
                                          const std::vector<Size>& input_shape, const Array<float>& half_width,
                                          const std::vector<std::pair<Size, Size>>& weights, double unit,
                                          const Array<float>& images, const Array<std::int64_t>& labels) {
    check(half_width.ndim() == 1, "half_width must have one axis");
    Program program = parse(layers, input_shape, half_width.size(), false);
    check(images.size() == images.shape(0) * program.input_size, "x does not hold whole images of input_shape");
    check(program.output_size >= 2, "the net must have at least two logits");
    check_labels(labels, images.shape(0), program.output_size);
    Terrain terrain{{half_width.data(), half_width.data() + half_width.size()},
                    cut(weights, half_width.size()),
                    unit,
                    {images.data(), images.data() + images.size()},
                    {labels.data(), labels.data() + labels.size()}};
    return std::make_unique<NeuronField>(engine_named(set), std::move(program), std::move(terrain));
}

void check_members(const NeuronField& field, const Array<float>& theta, int threads) {
    check(theta.ndim() == 2 && theta.shape(1) == field.parameters(),
          "theta must have shape (members, " + std::to_string(field.parameters()) + ")");
    check(threads >= 1, "threads must be at least 1");
}

std::pair<Array<float>, Array<double>> see(const NeuronField& field, const Array<float>& theta, int threads) {
    check_members(field, theta, threads);
    const Size members = theta.shape(0);
    Array<float> margins({members, field.examples()});
    Array<double> losses(members);
    const float* from = theta.data();
    float* to = margins.mutable_data();
    double* sums = losses.mutable_data();
    {
        const py::gil_scoped_release release;
        field.see(from, members, threads, to, sums);
    }
    return {margins, losses};
}

py::tuple walk(const NeuronField& field, const Array<float>& theta, const Array<float>& above, double at_least,
               double below, std::uint64_t seed, const Array<std::uint64_t>& streams, Size sweeps, int threads) {
    check_members(field, theta, threads);
    const Size members = theta.shape(0);
    check(above.ndim() == 1 && above.size() == field.examples(),
          "above must have shape (" + std::to_string(field.examples()) + ",)");
    check(streams.ndim() == 1 && streams.size() == members, "streams must hold a number for each member");
    check(sweeps >= 0, "sweeps must not be negative");
    const Level level{{above.data(), above.data() + above.size()}, at_least, below};
    Array<float> walked({members, field.parameters()});
    std::copy_n(theta.data(), theta.size(), walked.mutable_data());
    float* rows = walked.mutable_data();
    const std::uint64_t* stream = streams.data();
    Tried tried(0);
    {
        const py::gil_scoped_release release;
        tried = field.walk(rows, members, level, seed, stream, sweeps, threads);
    }
    return py::make_tuple(walked, tried.tried, tried.accepted, tried.multiply_adds);
}

void bind_neurons(py::module_& module) {
    py::class_<NeuronField>(module, "Neurons")
        .def(py::init(&neuron_field))
        .def_property_readonly("multiply_adds", &NeuronField::multiply_adds)
        .def("see", &see)
        .def("walk", &walk);
}

}  // namespace
}  // namespace goodminima
