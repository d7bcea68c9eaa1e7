// What another member comes to on the examples, for one instruction set: instruction_set.inl includes this file, see
// there for the names it sets.

// The losses of the member whose parameters `search.theta` holds, scaled by its own 1 / normaliser. Losses are not negative:
// the sum is infinite as soon as a part of it exceeds `limit`.
LANES_TARGET static Score score_member(const SearchState& search, float scale, double limit, Trial& trial) {
    const Size last = search.plan.num_layers();
    const Target target = trial_target(trial);
    Score total;
    for (Size first = 0; first < search.cache.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, search.cache.blocks - first);
        copy(level_of(search, search.cache.entering, 0, first), count * search.plan.level_size(0),
             level_at(search, target, 0, first));
        propagate(search, 0, last, first, count, target, trial);
        const Floats* logits = level_at(search, target, last, first);
        total.sum += sum_of_losses(search, logits, first, count, scale, nullptr);
        if (!(total.sum <= limit)) return {std::numeric_limits<double>::infinity(), 0};
        total.num_correct += count_correct(search, logits, first, count);
    }
    return total;
}

constexpr LocalSearchKernels local_search_kernels{load,        refresh,  current_score, recount_correct,
                                                  find_slopes, try_move, make_move,     score_member};
