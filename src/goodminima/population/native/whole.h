// What another member comes to on the examples, for one instruction set: lanes.h includes this file, see there for the
// names it sets.

// The losses of the member whose parameters `search.theta` holds, scaled by its own 1 / normaliser. Losses are not negative:
// the sum is infinite as soon as a part of it exceeds `limit`.
LANES_TARGET static Tally weigh_whole(const Search& search, float scale, double limit, Trial& trial) {
    const Size last = search.plan.num_links();
    const Target target = trial_target(trial);
    Tally tally;
    for (Size first = 0; first < search.caches.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, search.caches.blocks - first);
        copy(level_of(search, search.caches.entering, 0, first), count * search.plan.level_size(0),
             level_at(search, target, 0, first));
        walk(search, 0, last, first, count, target, trial);
        const Floats* logits = level_at(search, target, last, first);
        tally.sum += sum_of_losses(search, logits, first, count, scale, nullptr);
        if (!(tally.sum <= limit)) return {std::numeric_limits<double>::infinity(), 0};
        tally.right += count_right(search, logits, first, count);
    }
    return tally;
}

constexpr SearchEngine search_engine{load, refresh, measure, recount, find_slopes, try_move, make_move, weigh_whole};
