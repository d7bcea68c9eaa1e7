// Many members in one terrain: what they look like, and their walks, spread over threads, which change nothing.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "crew.h"
#include "neuron_walk.h"

namespace goodminima {

class NeuronField {
  public:
    NeuronField(const Engine& engine, Program program, Terrain terrain)
        : engine_(engine), plan_(std::move(program)), terrain_(std::move(terrain)) {}

    Size parameters() const { return plan_.program.parameters; }
    Size examples() const { return terrain_.examples(); }
    Size multiply_adds() const { return plan_.program.multiply_adds; }

    // Margins[members][examples] and mean losses of theta[members][D].
    void see(const float* theta, Size members, int threads, float* margins, double* losses) const {
        share(members, threads, [&](int) {
            const auto observer = std::make_shared<Observer>(engine_, plan_, terrain_);
            return [=](Size i) { losses[i] = observer->see(theta + i * parameters(), margins + i * examples()); };
        });
    }

    // Walks theta[members][D] in place.
    Tried walk(float* theta, Size members, const Level& level, std::uint64_t seed, const std::uint64_t* streams,
               Size sweeps, int threads) const {
        std::vector<std::shared_ptr<NeuronWalker>> walkers(static_cast<std::size_t>(threads));
        for (auto& walker : walkers) walker = std::make_shared<NeuronWalker>(engine_, plan_, terrain_, level);
        share(members, threads, [&](int thread) {
            const auto walker = walkers[static_cast<std::size_t>(thread)];
            return [=](Size i) { walker->walk(theta + i * parameters(), seed, streams[i], sweeps); };
        });
        Tried all(plan_.links.size());
        for (const auto& walker : walkers) all.add(walker->tried());
        return all;
    }

  private:
    struct Observer {
        Observer(const Engine& engine, const SearchPlan& plan, const Terrain& terrain)
            : engine(engine),
              space(plan, terrain.examples(), engine.lanes),
              theta(terrain.half_width.size()),
              row(static_cast<std::size_t>(space.now.blocks * engine.lanes)),
              neurons{{plan, theta.data(), space.now}, space},
              normaliser(terrain.runs, terrain.unit),
              examples(terrain.examples()) {
            std::vector<Size> order(terrain.labels.size());
            std::iota(order.begin(), order.end(), Size{0});
            engine.search->load(neurons.search, terrain.images.data(), terrain.labels.data(), order, space.trial);
        }

        double see(const float* member, float* margins) {
            std::copy_n(member, theta.size(), theta.begin());
            engine.search->refresh(neurons.search, space.trial);
            normaliser.read(theta);
            engine.neurons->margins(neurons, row.data());
            std::copy_n(row.begin(), examples, margins);
            return engine.neurons->losses(neurons, neurons.present(), {}, 0, normaliser.scale()) /
                   static_cast<double>(examples);
        }

        const Engine& engine;
        NeuronSpace space;
        std::vector<float> theta, row;
        Neurons neurons;
        Normaliser normaliser;
        Size examples;
    };

    // Every thread makes itself its work(number of a member), and does it until no member is left.
    template <typename Hire>
    static void share(Size members, int threads, const Hire& hire) {
        std::vector<std::function<void(Size)>> hands;
        for (int thread = 0; thread < threads; ++thread) hands.emplace_back(hire(thread));
        std::atomic<Size> next{0};
        Crew(threads).run([&](int thread) {
            for (Size i = next.fetch_add(1); i < members; i = next.fetch_add(1))
                hands[static_cast<std::size_t>(thread)](i);
        });
    }

    const Engine& engine_;
    SearchPlan plan_;
    Terrain terrain_;
};

}  // namespace goodminima
