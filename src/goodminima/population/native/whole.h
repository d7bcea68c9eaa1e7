// What another member comes to on the examples, for one instruction set: lanes.h includes this file, see there for the
// names it sets.

// The losses of the member whose parameters `search.theta` holds, scaled by its own 1 / normaliser. Losses are not negative:
// the sum is infinite as soon as a part of it exceeds `limit`.
LANES_TARGET static Tally weigh_whole(const Search& search, float scale, double limit, Trial& trial) {
    const Size last = search.plan.num_links();
    Tally tally;
    for (Size first = 0; first < search.caches.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, search.caches.blocks - first);
        run_link(search, 0, level_of(search, search.caches.entering, 0, first), count, trial_pre(trial, 0), trial);
        shape_link(search, 0, trial_pre(trial, 0), count, trial_level(search, trial, 1, first), trial);
        walk(search, 1, last, first, count, trial);
        const Floats* logits = trial_level(search, trial, last, first);
        tally.sum += sum_of_losses(search, logits, first, count, scale, nullptr);
        if (!(tally.sum <= limit)) return {std::numeric_limits<double>::infinity(), 0};
        tally.right += count_right(search, logits, first, count);
    }
    return tally;
}

constexpr SearchEngine search_engine{load, refresh, measure, recount, find_slopes, try_move, make_move, weigh_whole};
