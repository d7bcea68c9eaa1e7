// The Python module `goodminima.population.native._kernel`: the inner loops, once for each instruction set, and the engines on
// top of them. An engine has a folder of its own; its `binding.h` checks what arrives and releases the GIL.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/kernels.h"
#include "common/stream.h"
#include "gibbs/state.h"
#include "local_search/activation_cache.h"
#include "screening/kernels.h"
#include "training/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define LANES_NAMESPACE avx512
#define LANES_NAME "avx512"
#define LANES_TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#define LANES 16
#define LANES_ACCUMULATORS 24
#include "instruction_set.inl"

#define LANES_NAMESPACE avx2
#define LANES_NAME "avx2"
#define LANES_TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define LANES_ACCUMULATORS 12
#include "instruction_set.inl"

#define LANES_NAMESPACE baseline
#define LANES_NAME "baseline"
#define LANES_TARGET
#define LANES 4
#define LANES_ACCUMULATORS 10
#include "instruction_set.inl"

#else  // 32 registers of 4 floats, as on ARM

#define LANES_NAMESPACE baseline
#define LANES_NAME "baseline"
#define LANES_TARGET
#define LANES 4
#define LANES_ACCUMULATORS 24
#include "instruction_set.inl"

#endif

namespace goodminima {
namespace {

// What this machine runs, best first.
std::vector<const Kernels*> kernels_here() {
    std::vector<const Kernels*> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (wide && fused) found.push_back(&avx512::kernels);
    if (fused) found.push_back(&avx2::kernels);
#endif
    found.push_back(&baseline::kernels);
    return found;
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Kernels* kernels : kernels_here()) names.emplace_back(kernels->name);
    return names;
}

const Kernels& kernels_named(const std::string& name) {
    for (const Kernels* kernels : kernels_here())
        if (name == kernels->name) return *kernels;
    throw std::invalid_argument("instruction set '" + name + "' is not one that this machine runs");
}

}  // namespace
}  // namespace goodminima

#include "common/binding.h"
#include "evaluation/binding.h"
#include "gibbs/binding.h"
#include "local_search/binding.h"
#include "screening/binding.h"
#include "training/binding.h"

namespace goodminima {
namespace {

// What bounds the speed beside the generator, to be timed by the caller: floating-point operations done.
double spin(const std::string& set, std::int64_t rounds) {
    const Kernels& kernels = kernels_named(set);
    const py::gil_scoped_release release;
    volatile float result = kernels.spin(rounds);
    (void)result;
    return static_cast<double>(rounds) * static_cast<double>(kernels.spin_flops);
}

}  // namespace
}  // namespace goodminima

PYBIND11_MODULE(_kernel, module, pybind11::mod_gil_not_used()) {
    using namespace goodminima;
    module.def("instruction_sets", &instruction_sets);
    module.def("spin", &spin);
    bind_net(module);
    bind_evaluation(module);
    bind_screening(module);
    bind_training(module);
    bind_local_search(module);
    bind_gibbs(module);
}
