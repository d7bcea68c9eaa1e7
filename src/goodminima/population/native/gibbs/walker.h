// Many members of one problem: their margins and losses, and their walks, spread over threads, which change nothing.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "common/kernels.h"
#include "common/thread_pool.h"
#include "gibbs/chain.h"

namespace goodminima {

class GibbsWalker {
  public:
    GibbsWalker(const Kernels& kernels, Program program, GibbsProblem problem)
        : kernels_(kernels), plan_(std::move(program)), problem_(std::move(problem)) {}

    Size parameters() const { return plan_.program.parameters; }
    Size examples() const { return problem_.data.size(); }
    Size multiply_adds() const { return plan_.program.multiply_adds; }

    // Margins[members][examples] and mean losses of theta[members][D].
    void evaluate(const float* theta, Size members, int threads, float* margins, double* losses) const {
        share(members, threads, [&](int) {
            const auto evaluator = std::make_shared<Evaluator>(kernels_, plan_, problem_);
            return [=](Size i) { losses[i] = evaluator->evaluate(theta + i * parameters(), margins + i * examples()); };
        });
    }

    // Walks theta[members][D] in place.
    ProposalCounts walk(float* theta, Size members, const LevelSet& level, std::uint64_t seed,
                        const std::uint64_t* streams, Size sweeps, int threads) const {
        std::vector<std::shared_ptr<GibbsChain>> chains(static_cast<std::size_t>(threads));
        for (auto& chain : chains) chain = std::make_shared<GibbsChain>(kernels_, plan_, problem_, level);
        share(members, threads, [&](int thread) {
            const auto chain = chains[static_cast<std::size_t>(thread)];
            return [=](Size i) { chain->walk(theta + i * parameters(), seed, streams[i], sweeps); };
        });
        ProposalCounts all(plan_.layers.size());
        for (const auto& chain : chains) all.add(chain->counts());
        return all;
    }

  private:
    // What one thread evaluates members with, one after another.
    struct Evaluator {
        Evaluator(const Kernels& kernels, const SearchPlan& plan, const GibbsProblem& problem)
            : kernels(kernels),
              space(plan, problem.data.size(), kernels.lanes),
              theta(problem.half_width.size()),
              row(static_cast<std::size_t>(space.now.blocks * kernels.lanes)),
              state{{plan, theta.data(), space.now}, space},
              norm(problem.normaliser),
              examples(problem.data.size()) {
            kernels.local_search->load(state.search, problem.data, problem.data.order(), space.trial);
        }

        double evaluate(const float* member, float* margins) {
            std::copy_n(member, theta.size(), theta.begin());
            kernels.local_search->refresh(state.search, space.trial);
            norm.read(theta);
            kernels.gibbs->margins(state, row.data());
            std::copy_n(row.begin(), examples, margins);
            return kernels.gibbs->losses(state, state.current(), {}, 0, norm.scale()) / static_cast<double>(examples);
        }

        const Kernels& kernels;
        GibbsWorkspace space;
        std::vector<float> theta, row;
        GibbsState state;
        NormTracker norm;
        Size examples;
    };

    // Every thread has a worker of its own, called with the numbers of members until none is left.
    template <typename MakeWorker>
    static void share(Size members, int threads, const MakeWorker& make_worker) {
        std::vector<std::function<void(Size)>> workers;
        for (int thread = 0; thread < threads; ++thread) workers.emplace_back(make_worker(thread));
        std::atomic<Size> next{0};
        ThreadPool(threads).run([&](int thread) {
            for (Size i = next.fetch_add(1); i < members; i = next.fetch_add(1))
                workers[static_cast<std::size_t>(thread)](i);
        });
    }

    const Kernels& kernels_;
    SearchPlan plan_;
    GibbsProblem problem_;
};

}  // namespace goodminima
