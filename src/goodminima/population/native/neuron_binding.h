// Walks by single units and filters in Python: checks what arrives, releases the GIL, walks. Included by kernel.cpp.

#pragma once

#include <atomic>

#include "crew.h"
#include "neuron_walk.h"

namespace goodminima {
namespace {

class NeuronField {
  public:
    NeuronField(const Engine& engine, Program program, Terrain terrain)
        : engine_(engine), plan_(std::move(program)), terrain_(std::move(terrain)) {}

    const SearchPlan& plan() const { return plan_; }
    Size examples() const { return static_cast<Size>(terrain_.labels.size()); }

    Tried walk(float* theta, Size members, const Level& level, const Tuning& tuning, std::uint64_t seed, const std::uint64_t* streams, Size sweeps, int threads) {
        std::vector<std::unique_ptr<NeuronWalker>> walkers;
        for (int i = 0; i < threads; ++i) walkers.push_back(std::make_unique<NeuronWalker>(engine_, plan_, terrain_, level, tuning));
        std::atomic<Size> next{0};
        Crew(threads).run([&](int thread) {
            for (Size i = next.fetch_add(1); i < members; i = next.fetch_add(1))
                walkers[static_cast<std::size_t>(thread)]->walk(theta + i * plan_.program.parameters, seed, streams[i], sweeps);
        });
        Tried all = walkers[0]->tally;
        for (std::size_t w = 1; w < walkers.size(); ++w) {
            all.evaluations += walkers[w]->tally.evaluations;
            for (std::size_t l = 0; l < all.tried.size(); ++l) {
                all.tried[l] += walkers[w]->tally.tried[l];
                all.accepted[l] += walkers[w]->tally.accepted[l];
            }
        }
        return all;
    }

    void see(const float* theta, Size members, float* margins, double* losses, int threads) {
        std::atomic<Size> next{0};
        Crew(threads).run([&](int) {
            NeuronSpace space(plan_, examples(), engine_.lanes);
            std::vector<Size> order(terrain_.labels.size());
            std::iota(order.begin(), order.end(), Size{0});
            std::vector<float> member(static_cast<std::size_t>(plan_.program.parameters));
            const Neurons neurons{{plan_, member.data(), space.now}, space};
            engine_.search->load(neurons.search, terrain_.images.data(), terrain_.labels.data(), order, space.trial);
            Normaliser normaliser(terrain_.runs, terrain_.unit);
            std::vector<float> row(static_cast<std::size_t>(space.now.blocks * engine_.lanes));
            for (Size i = next.fetch_add(1); i < members; i = next.fetch_add(1)) {
                std::copy_n(theta + i * plan_.program.parameters, member.size(), member.begin());
                engine_.search->refresh(neurons.search, space.trial);
                normaliser.read(member);
                engine_.neurons->margins(neurons, row.data());
                std::copy_n(row.begin(), examples(), margins + i * examples());
                losses[i] = engine_.neurons->losses(neurons, space.now, normaliser.scale()) / static_cast<double>(examples());
            }
        });
    }

  private:
    const Engine& engine_;
    SearchPlan plan_;
    Terrain terrain_;
};

std::unique_ptr<NeuronField> neuron_field(const std::string& set, const py::sequence& layers,
                                          const std::vector<Size>& input_shape, const Array<float>& half_width,
                                          const std::vector<std::pair<Size, Size>>& weights, double unit,
                                          const Array<float>& images, const Array<std::int64_t>& labels) {
    check(half_width.ndim() == 1, "half_width must have one axis");
    Program program = parse(layers, input_shape, half_width.size(), false);
    check(images.size() == images.shape(0) * program.input_size, "x does not hold whole images of input_shape");
    check(program.output_size >= 2, "the net must have at least two logits");
    check_labels(labels, images.shape(0), program.output_size);
    Terrain terrain{cut(weights, half_width.size()),
                    unit,
                    {half_width.data(), half_width.data() + half_width.size()},
                    {images.data(), images.data() + images.size()},
                    {labels.data(), labels.data() + labels.size()}};
    return std::make_unique<NeuronField>(engine_named(set), std::move(program), std::move(terrain));
}

void bind_neurons(py::module_& module) {
    py::class_<NeuronField>(module, "Neurons")
        .def(py::init(&neuron_field))
        .def("see",
             [](NeuronField& field, const Array<float>& theta, int threads) {
                 const Size members = theta.shape(0);
                 Array<float> margins({members, field.examples()});
                 Array<double> losses(members);
                 float* m = margins.mutable_data();
                 double* l = losses.mutable_data();
                 const py::gil_scoped_release release;
                 field.see(theta.data(), members, m, l, threads);
                 return std::make_pair(margins, losses);
             })
        .def("walk", [](NeuronField& field, const Array<float>& theta, const Array<float>& above, double at_least,
                        double below, std::uint64_t seed, const Array<std::uint64_t>& streams, Size sweeps, int threads,
                        py::args more) {
            Array<float> out({theta.shape(0), theta.shape(1)});
            std::copy(theta.data(), theta.data() + theta.size(), out.mutable_data());
            const Level level{{above.data(), above.data() + above.size()}, at_least, below};
            Tuning tuning{.3, 3.5, 0., 8, false, true, std::vector<Size>(field.plan().links.size(), 1)};
            if (more.size())
                tuning = {py::cast<double>(more[0]), py::cast<double>(more[1]), py::cast<double>(more[2]), py::cast<Size>(more[3]), py::cast<bool>(more[4]), py::cast<bool>(more[5]), py::cast<std::vector<Size>>(more[6])};
            float* rows = out.mutable_data();
            Tried tried;
            {
                const py::gil_scoped_release release;
                tried = field.walk(rows, theta.shape(0), level, tuning, seed, streams.data(), sweeps, threads);
            }
            return py::make_tuple(out, tried.tried, tried.accepted, tried.evaluations);
        });
}

}  // namespace
}  // namespace goodminima
