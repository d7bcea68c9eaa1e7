// What all of the Python module's functions share: arrays, checks of what arrives, and the net. Included by kernel.cpp.

#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/dataset.h"
#include "common/kernels.h"
#include "common/program.h"

namespace goodminima {
namespace {

namespace py = pybind11;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

void check(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

// A net as Python describes it: what every engine makes its own program of.
class Net {
  public:
    Net(const py::sequence& layers, std::vector<Size> input_shape, Size parameters,
        std::vector<std::pair<Size, Size>> weights, double unit)
        : layers_(read(layers)),
          input_shape_(std::move(input_shape)),
          parameters_(parameters),
          normaliser_(std::move(weights), parameters, unit),
          fused_(program(true)) {}

    // `fuse_pools` where no activation is looked at; `shared_images` where all lanes are shown the same.
    Program program(bool fuse_pools, bool shared_images = true) const {
        return build_program(layers_, input_shape_, parameters_, fuse_pools, shared_images);
    }

    const Program& fused() const { return fused_; }
    const Normaliser& normaliser() const { return normaliser_; }
    Size parameters() const { return parameters_; }
    Size classes() const { return fused_.output_size; }
    Size multiply_adds() const { return fused_.multiply_adds; }

  private:
    static std::vector<Layer> read(const py::sequence& layers) {
        std::vector<Layer> found;
        for (const py::handle& item : layers) {
            const auto entry = py::cast<py::tuple>(item);
            check(!entry.empty(), "program: a layer must be a tuple that begins with its name");
            Layer layer{py::cast<std::string>(entry[0]), {}};
            for (std::size_t i = 1; i < entry.size(); ++i) layer.numbers.push_back(py::cast<Size>(entry[i]));
            found.push_back(std::move(layer));
        }
        return found;
    }

    std::vector<Layer> layers_;
    std::vector<Size> input_shape_;
    Size parameters_;
    Normaliser normaliser_;
    Program fused_;
};

void check_images(const Net& net, const Array<float>& images) {
    check(images.ndim() >= 1 && images.size() == images.shape(0) * net.fused().input_size,
          "x does not hold whole images of input_shape");
}

void check_labels(const Net& net, const Array<std::int64_t>& labels, Size num_images) {
    check(labels.ndim() == 1 && num_images >= 1, "y must have one axis and at least one label");
    check(labels.size() == num_images, "y must hold a label for each of the " + std::to_string(num_images) +
                                           " images of x, got " + std::to_string(labels.size()));
    for (Size i = 0; i < num_images; ++i)
        check(labels.data()[i] >= 0 && labels.data()[i] < net.classes(),
              "y must hold labels from 0 to " + std::to_string(net.classes() - 1) + ", got " +
                  std::to_string(labels.data()[i]));
}

Dataset dataset_of(const Net& net, const Array<float>& images, const Array<std::int64_t>& labels) {
    check_images(net, images);
    check_labels(net, labels, images.shape(0));
    return {{images.data(), images.data() + images.size()}, {labels.data(), labels.data() + labels.size()}};
}

void check_classes(const Net& net) { check(net.classes() >= 2, "the net must have at least two logits"); }

void check_members(const Net& net, const Array<float>& theta) {
    check(theta.ndim() == 2 && theta.shape(1) == net.parameters(),
          "theta must have shape (members, " + std::to_string(net.parameters()) + ")");
}

std::vector<float> box_of(const Net& net, const Array<float>& half_width) {
    check(half_width.ndim() == 1 && half_width.size() == net.parameters(),
          "half_width must have shape (" + std::to_string(net.parameters()) + ",)");
    return {half_width.data(), half_width.data() + half_width.size()};
}

void check_threads(int threads) { check(threads >= 1, "threads must be at least 1"); }

void bind_net(py::module_& module) {
    py::class_<Net>(module, "Net")
        .def(py::init<const py::sequence&, std::vector<Size>, Size, std::vector<std::pair<Size, Size>>, double>())
        .def_property_readonly("num_classes", &Net::classes)
        .def_property_readonly("multiply_adds", &Net::multiply_adds);
}

}  // namespace
}  // namespace goodminima
