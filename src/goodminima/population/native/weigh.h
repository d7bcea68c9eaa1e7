// What a move does to the losses, for one instruction set: lanes.h includes this file, see there for the names it sets.
//
// A move is given up as soon as a lower bound of the losses' sum exceeds the limit. Two bounds serve. Losses are not
// negative: so neither is what has not been summed yet. And the cross entropy is convex in the logits: it lies above its
// tangent, so a sum may begin with the tangent's value of every group of blocks, which the group's losses then replace.

LANES_INLINE const Ints* labels_of(const Search& search) {
    return reinterpret_cast<const Ints*>(search.caches.labels.get());
}

LANES_INLINE Floats right_logit(const Floats* logits, Size classes, Ints label) {
    Floats right = logits[0];
    for (Size c = 1; c < classes; ++c) right = choose(label == static_cast<std::int32_t>(c), logits[c], right);
    return right;
}

// The largest of scale (z_c - z_y), which is not negative.
LANES_INLINE Floats largest_lead(const Floats* logits, Size classes, Floats right, float scale) {
    Floats largest = right;
    for (Size c = 0; c < classes; ++c) largest = larger(logits[c], largest);
    return (largest - right) * scale;
}

// The cross entropy log(sum of exp t_c) of t_c = scale (z_c - z_y), where t_y = 0. Both large and small ones are accurate:
// t is taken relative to its largest, and the 1 in the sum is left to `log_one_plus`.
LANES_INLINE Floats cross_entropy(const Floats* logits, Size classes, Ints label, float scale) {
    const Floats right = right_logit(logits, classes, label);
    const Floats lead = largest_lead(logits, classes, right, scale);
    Floats others = falling_exponential(-lead) - 1.0f;
    for (Size c = 0; c < classes; ++c)
        others += choose(label == static_cast<std::int32_t>(c), Floats{},
                         falling_exponential((logits[c] - right) * scale - lead));
    return lead + log_one_plus(others);
}

LANES_INLINE double sum_of_lanes(Floats values) {
    double total = 0;
    for (int lane = 0; lane < LANES; ++lane) total += static_cast<double>(values[lane]);
    return total;
}

// The sum over a group of blocks: within a lane in float32, the few that they are, across lanes in float64.
LANES_TARGET static double sum_of_losses(const Search& search, const Floats* logits, Size first, Size count,
                                         float scale, Floats* losses) {
    const Size classes = search.plan.classes();
    const Floats* present = floats(search.caches.present, first);
    Floats total = {};
    for (Size i = 0; i < count; ++i) {
        const Floats loss = cross_entropy(logits + i * classes, classes, labels_of(search)[first + i], scale) * present[i];
        if (losses) losses[i] = loss;
        total += loss;
    }
    return sum_of_lanes(total);
}

// Examples whose own logit exceeds all others, in a group of blocks.
LANES_TARGET static Size count_right(const Search& search, const Floats* logits, Size first, Size count) {
    const Size classes = search.plan.classes();
    Size found = 0;
    for (Size i = 0; i < count; ++i, logits += classes) {
        const Ints label = labels_of(search)[first + i];
        const Floats right = right_logit(logits, classes, label);
        Ints correct = *floats(search.caches.present, first + i) > 0.0f;
        for (Size c = 0; c < classes; ++c) correct &= (logits[c] < right) | (label == static_cast<std::int32_t>(c));
        found += __builtin_popcount(bits_of(correct));
    }
    return found;
}

LANES_TARGET static Tally measure(const Search& search) {
    Caches& caches = search.caches;
    Tally tally;
    for (Size first = 0; first < caches.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, caches.blocks - first);
        const Floats* logits = level_of(search, caches.entering, search.plan.num_links(), first);
        tally.sum += sum_of_losses(search, logits, first, count, caches.scale, floats(caches.losses, first));
        tally.right += count_right(search, logits, first, count);
    }
    return tally;
}

LANES_TARGET static Size recount(const Search& search, Trial& trial) {
    const Size last = search.plan.num_links();
    Size right = 0;
    const Target target = trial_target(trial);
    for (Size first = 0; first < search.caches.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, search.caches.blocks - first);
        copy(level_of(search, search.caches.entering, 0, first), count * search.plan.level_size(0),
             level_at(search, target, 0, first));
        walk(search, 0, last, first, count, target, trial);
        right += count_right(search, level_at(search, target, last, first), first, count);
    }
    return right;
}

// ---------------------------------------------------------------------------------------------------------- the tangent

// The slopes p - y of one block; returns the sum over classes of their products with the normalised logits.
LANES_INLINE Floats logit_slopes(const Floats* logits, Size classes, Ints label, Floats present, float scale,
                                 Floats* slopes) {
    const Floats right = right_logit(logits, classes, label), lead = largest_lead(logits, classes, right, scale);
    Floats total = {}, pull = {};
    for (Size c = 0; c < classes; ++c) {
        slopes[c] = falling_exponential((logits[c] - right) * scale - lead);
        total += slopes[c];
    }
    const Floats factor = present / total;
    for (Size c = 0; c < classes; ++c) {
        slopes[c] = slopes[c] * factor - choose(label == static_cast<std::int32_t>(c), present, Floats{});
        pull += slopes[c] * (logits[c] - right);  // slopes add up to zero
    }
    return pull * scale;
}

// The slopes along the entries of the level before the last link, a linear one.
LANES_TARGET static void back_through_last(const Search& search, const Floats* slopes, Size count, Floats* out) {
    const Link& last = search.plan.links.back();
    auto products = products_of(slopes, search.theta + last.dense.weight);
    products.left_step = last.out_size;
    products.right_places = last.numbers.data();
    products.inner = last.out_size;
    products.left_inner = last.numbers.data();
    products.right_inner = last.rows.data();
    products.out = out;
    products.out_step = last.in_size;
    run_all_products(products, count, last.in_size);
}

LANES_TARGET static void find_slopes(const Search& search) {
    Caches& caches = search.caches;
    const Size classes = search.plan.classes(), last = search.plan.num_links();
    caches.pull = 0;
    for (Size first = 0, group = 0; first < caches.blocks; first += max_blocks, ++group) {
        const Size count = std::min(max_blocks, caches.blocks - first);
        const Floats* logits = level_of(search, caches.entering, last, first);
        Floats *slopes = floats(caches.logit_slopes, first * classes), pull = {}, losses = {};
        for (Size i = 0; i < count; ++i) {
            pull += logit_slopes(logits + i * classes, classes, labels_of(search)[first + i],
                                 *floats(caches.present, first + i), caches.scale, slopes + i * classes);
            losses += *floats(caches.losses, first + i);
        }
        caches.group_pulls[static_cast<std::size_t>(group)] = sum_of_lanes(pull);
        caches.group_losses[static_cast<std::size_t>(group)] = sum_of_lanes(losses);
        if (search.plan.gauge < last)
            back_through_last(search, slopes, count,
                              floats(caches.gauge_slopes, first * search.plan.level_size(search.plan.gauge)));
    }
    caches.sloped = true;
}

LANES_INLINE const Floats* slopes_at(const Search& search, Size level, Size block) {
    const Buffer& slopes =
        level == search.plan.num_links() ? search.caches.logit_slopes : search.caches.gauge_slopes;
    return floats(slopes, block * search.plan.level_size(level));
}

// Slopes times changes where only one channel of the level changes.
LANES_TARGET static double slope_of_channel(const Search& search, const Move& move, Size first, Size count,
                                            const Trial& trial) {
    const Size size = search.plan.link(move.link).shaped_plane, level = move.link + 1;
    const Floats* delta = floats(trial.delta, 0);
    Floats total = {};
    for (Size i = 0; i < count; ++i) {
        const Floats* slopes = slopes_at(search, level, first + i) + move.channel * size;
        for (Size e = 0; e < size; ++e) total += slopes[e] * delta[i * size + e];
    }
    return sum_of_lanes(total);
}

// Slopes times changes at the gauge level where it lies behind one unit's change and a ReLU.
LANES_TARGET static double slope_of_unit(const Search& search, const Move& move, Size first, Size count,
                                         const Trial& trial) {
    const Size size = search.plan.level_size(search.plan.gauge);
    const Floats *slopes = slopes_at(search, search.plan.gauge, first), *delta = floats(trial.delta, 0);
    const Floats* pre = cached_pre(search, move.link + 1, first);
    const float* column = trial.column.data();
    Floats total[4] = {};  // in turn, or each sum would wait for the one before
    for (Size i = 0; i < count; ++i, slopes += size, pre += size) {
        if (!any((Words)delta[i])) continue;
        Size o = 0;
        for (; o + 4 <= size; o += 4)
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k)
                total[k] += slopes[o + k] * (larger(Floats{}, pre[o + k] + delta[i] * column[o + k]) -
                                             larger(Floats{}, pre[o + k]));
        for (; o < size; ++o)
            total[0] += slopes[o] * (larger(Floats{}, pre[o] + delta[i] * column[o]) - larger(Floats{}, pre[o]));
    }
    return sum_of_lanes((total[0] + total[1]) + (total[2] + total[3]));
}

// Slopes times changes at the gauge level in general.
LANES_TARGET static double slope_of_level(const Search& search, const Move& move, Size first, Size count,
                                          Trial& trial) {
    const Size gauge = search.plan.gauge, size = count * search.plan.level_size(gauge);
    const Target target = trial_target(trial);
    carry(search, move, gauge, first, count, target, trial);
    const Floats *slopes = slopes_at(search, gauge, first), *fresh = level_at(search, target, gauge, first);
    const Floats* old = level_of(search, search.caches.entering, gauge, first);
    Floats total = {};
    for (Size e = 0; e < size; ++e) total += slopes[e] * (fresh[e] - old[e]);
    return sum_of_lanes(total);
}

// By group the value of the tangent, in `trial.floors`; their sum.
LANES_TARGET static double find_floors(const Search& search, const Move& move, Trial& trial) {
    const Caches& caches = search.caches;
    const double growth = static_cast<double>(move.scale) / static_cast<double>(caches.scale) - 1;
    const bool unit = move.unit && move.link + 2 == search.plan.gauge;
    double floor = 0;
    for (Size first = 0, group = 0; first < caches.blocks; first += max_blocks, ++group) {
        const Size count = std::min(max_blocks, caches.blocks - first);
        const auto g = static_cast<std::size_t>(group);
        double slope = 0;
        trial.changed[g] = reach(search, move, first, count, trial_target(trial), trial);
        if (trial.changed[g]) {
            if (move.link + 1 >= search.plan.gauge) slope = slope_of_channel(search, move, first, count, trial);
            else if (unit) slope = slope_of_unit(search, move, first, count, trial);
            else slope = slope_of_level(search, move, first, count, trial);
        }
        trial.floors[g] = caches.group_losses[g] + growth * caches.group_pulls[g] + move.scale * slope;
        floor += trial.floors[g];
    }
    return floor;
}

// --------------------------------------------------------------------------------------------------------------- moves

// Whether `find_floors` leaves the gauge level after the move in the trial.
inline bool leaves_gauge(const SearchPlan& plan, const Move& move) {
    return move.link + 1 < plan.gauge && !(move.unit && move.link + 2 == plan.gauge);
}

// The logits of a group of blocks after a move.
LANES_TARGET static const Floats* moved_logits(const Search& search, const Move& move, Size first, Size count,
                                               Trial& trial) {
    const Size last = search.plan.num_links(), classes = search.plan.classes();
    const Floats* cached = level_of(search, search.caches.entering, last, first);
    const Target target = trial_target(trial);
    Floats* logits = level_at(search, target, last, first);
    if (search.caches.sloped && leaves_gauge(search.plan, move)) {
        if (!trial.changed[static_cast<std::size_t>(first / max_blocks)]) return cached;
        walk(search, search.plan.gauge, last, first, count, target, trial);
        return logits;
    }
    if (!reach(search, move, first, count, target, trial)) return cached;
    if (move.link + 1 < last) {
        carry(search, move, last, first, count, target, trial);
        return logits;
    }
    const Size size = search.plan.link(move.link).shaped_plane;
    copy(cached, count * classes, logits);
    for (Size i = 0; i < count; ++i)
        copy(floats(trial.shaped, i * size), size, logits + i * classes + move.channel * size);
    return logits;
}

LANES_TARGET static double try_move(const Search& search, const Move& move, double limit, Trial& trial) {
    const Caches& caches = search.caches;
    if (move.unit) take_column(search, move, trial);
    double floor = caches.sloped ? find_floors(search, move, trial) : 0, total = 0;
    trial.exit = Exit::tangent;
    if (floor > limit) return std::numeric_limits<double>::infinity();
    trial.exit = Exit::partial_sum;
    for (Size first = 0, group = 0; first < caches.blocks; first += max_blocks, ++group) {
        const Size count = std::min(max_blocks, caches.blocks - first);
        const Floats* logits = moved_logits(search, move, first, count, trial);
        const double losses = sum_of_losses(search, logits, first, count, move.scale, nullptr);
        total += losses;
        floor += caches.sloped ? losses - trial.floors[static_cast<std::size_t>(group)] : losses;
        if (floor > limit) return std::numeric_limits<double>::infinity();
    }
    trial.exit = Exit::none;
    return total;
}

LANES_TARGET static void make_move(const Search& search, const Move& move, Trial& trial) {
    const SearchPlan& plan = search.plan;
    Caches& caches = search.caches;
    caches.scale = move.scale;
    caches.sloped = false;
    if (move.link < 0) return;
    if (move.unit) take_column(search, move, trial);
    for (Size first = 0; first < caches.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, caches.blocks - first);
        const bool changed = reach(search, move, first, count, cache_target(search), trial);
        if (changed && move.link + 1 < plan.num_links())
            carry(search, move, plan.num_links(), first, count, cache_target(search), trial);
    }
}
