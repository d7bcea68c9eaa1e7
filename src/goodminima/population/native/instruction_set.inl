// All inner loops, for one instruction set: kernel.cpp includes this file several times, each time with other values of
//
//   LANES_NAMESPACE    where the code goes
//   LANES_NAME         its name in Python
//   LANES_TARGET       the function attribute that selects the instruction set
//   LANES              numbers side by side: the floats of one register
//   LANES_ACCUMULATORS how many sums fit into registers beside what is multiplied
//
// Every function carries the attribute itself, because neither templates nor callees inherit it reliably. A lane's numbers
// depend on that lane only, and each sum runs over k in order whatever the tiling: so results do not depend on who shares
// a block, nor on how many images are shown together.

namespace goodminima::LANES_NAMESPACE {

#define LANES_INLINE LANES_TARGET __attribute__((always_inline)) static inline

#include "common/vector.inl"

#include "common/forward.inl"
#include "common/peak.inl"
#include "common/products.inl"
#include "common/transpose.inl"

#include "screening/guesses.inl"

#include "training/layer_gradients.inl"

#include "training/backpropagation.inl"
#include "training/sgd.inl"

#include "local_search/propagation.inl"

#include "local_search/move_losses.inl"

#include "local_search/member_losses.inl"

#include "gibbs/proposals.inl"

constexpr Kernels kernels{LANES_NAME,
                          LANES,
                          evaluate,
                          gather_members,
                          scatter_members,
                          gather_rows,
                          spin,
                          Size{2} * LANES * LANES_ACCUMULATORS,
                          &screening_kernels,
                          &training_kernels,
                          &local_search_kernels,
                          &gibbs_kernels};

#undef LANES_INLINE

}  // namespace goodminima::LANES_NAMESPACE

#undef LANES_NAMESPACE
#undef LANES_NAME
#undef LANES_TARGET
#undef LANES
#undef LANES_ACCUMULATORS
