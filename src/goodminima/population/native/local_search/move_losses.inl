// What a move does to the losses, for one instruction set: instruction_set.inl includes this file, see there for the
// names it sets.
//
// A move is given up as soon as a lower bound of the losses' sum exceeds the limit. Two bounds serve. Losses are not
// negative: so neither is what has not been summed yet. And the cross entropy is convex in the logits: it lies above its
// tangent, so a sum may begin with the tangent's value of every group of blocks, which the group's losses then replace.

LANES_INLINE const Ints* labels_of(const SearchState& search) {
    return reinterpret_cast<const Ints*>(search.cache.labels.get());
}

LANES_INLINE Floats label_logit(const Floats* logits, Size classes, Ints label) {
    Floats own = logits[0];
    for (Size c = 1; c < classes; ++c) own = choose(label == static_cast<std::int32_t>(c), logits[c], own);
    return own;
}

// The largest of scale (z_c - z_y), which is not negative.
LANES_INLINE Floats largest_lead(const Floats* logits, Size classes, Floats own, float scale) {
    Floats largest = own;
    for (Size c = 0; c < classes; ++c) largest = larger(logits[c], largest);
    return (largest - own) * scale;
}

// The cross entropy log(sum of exp t_c) of t_c = scale (z_c - z_y), where t_y = 0. Both large and small ones are accurate:
// t is taken relative to its largest, and the 1 in the sum is left to `log_one_plus`.
LANES_INLINE Floats cross_entropy(const Floats* logits, Size classes, Ints label, float scale) {
    const Floats own = label_logit(logits, classes, label);
    const Floats lead = largest_lead(logits, classes, own, scale);
    Floats others = falling_exponential(-lead) - 1.0f;
    for (Size c = 0; c < classes; ++c)
        others += choose(label == static_cast<std::int32_t>(c), Floats{},
                         falling_exponential((logits[c] - own) * scale - lead));
    return lead + log_one_plus(others);
}

LANES_INLINE double sum_of_lanes(Floats values) {
    double total = 0;
    for (int lane = 0; lane < LANES; ++lane) total += static_cast<double>(values[lane]);
    return total;
}

// The sum over a group of blocks: within a lane in float32, the few that they are, across lanes in float64.
LANES_TARGET static double sum_of_losses(const SearchState& search, const Floats* logits, Size first, Size count,
                                         float scale, Floats* losses) {
    const Size classes = search.plan.classes();
    const Floats* present = floats(search.cache.present, first);
    Floats total = {};
    for (Size i = 0; i < count; ++i) {
        const Floats loss =
            cross_entropy(logits + i * classes, classes, labels_of(search)[first + i], scale) * present[i];
        if (losses) losses[i] = loss;
        total += loss;
    }
    return sum_of_lanes(total);
}

// Examples whose own logit exceeds all others, in a group of blocks.
LANES_TARGET static Size count_correct(const SearchState& search, const Floats* logits, Size first, Size count) {
    const Size classes = search.plan.classes();
    Size found = 0;
    for (Size i = 0; i < count; ++i, logits += classes) {
        const Ints label = labels_of(search)[first + i];
        const Floats own = label_logit(logits, classes, label);
        Ints correct = *floats(search.cache.present, first + i) > 0.0f;
        for (Size c = 0; c < classes; ++c) correct &= (logits[c] < own) | (label == static_cast<std::int32_t>(c));
        found += __builtin_popcount(bits_of(correct));
    }
    return found;
}

LANES_TARGET static Score current_score(const SearchState& search) {
    ActivationCache& cache = search.cache;
    Score total;
    for (Size first = 0; first < cache.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, cache.blocks - first);
        const Floats* logits = level_of(search, cache.entering, search.plan.num_layers(), first);
        total.sum += sum_of_losses(search, logits, first, count, cache.scale, floats(cache.losses, first));
        total.num_correct += count_correct(search, logits, first, count);
    }
    return total;
}

LANES_TARGET static Size recount_correct(const SearchState& search, Trial& trial) {
    const Size last = search.plan.num_layers();
    Size found = 0;
    const Target target = trial_target(trial);
    for (Size first = 0; first < search.cache.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, search.cache.blocks - first);
        copy(level_of(search, search.cache.entering, 0, first), count * search.plan.level_size(0),
             level_at(search, target, 0, first));
        propagate(search, 0, last, first, count, target, trial);
        found += count_correct(search, level_at(search, target, last, first), first, count);
    }
    return found;
}

// ---------------------------------------------------------------------------------------------------------- the tangent

// The slopes p - y of one block; returns the sum over classes of their products with the normalised logits.
LANES_INLINE Floats logit_slopes(const Floats* logits, Size classes, Ints label, Floats present, float scale,
                                 Floats* slopes) {
    const Floats own = label_logit(logits, classes, label), lead = largest_lead(logits, classes, own, scale);
    Floats total = {}, pull = {};
    for (Size c = 0; c < classes; ++c) {
        slopes[c] = falling_exponential((logits[c] - own) * scale - lead);
        total += slopes[c];
    }
    const Floats factor = present / total;
    for (Size c = 0; c < classes; ++c) {
        slopes[c] = slopes[c] * factor - choose(label == static_cast<std::int32_t>(c), present, Floats{});
        pull += slopes[c] * (logits[c] - own);  // slopes add up to zero
    }
    return pull * scale;
}

// The slopes along the entries of the level before the last layer, a linear one.
LANES_TARGET static void back_through_last(const SearchState& search, const Floats* slopes, Size count, Floats* out) {
    const WeightedLayer& last = search.plan.layers.back();
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

LANES_TARGET static void find_slopes(const SearchState& search) {
    ActivationCache& cache = search.cache;
    const Size classes = search.plan.classes(), last = search.plan.num_layers();
    cache.pull = 0;
    for (Size first = 0, group = 0; first < cache.blocks; first += max_blocks, ++group) {
        const Size count = std::min(max_blocks, cache.blocks - first);
        const Floats* logits = level_of(search, cache.entering, last, first);
        Floats *slopes = floats(cache.logit_slopes, first * classes), pull = {}, losses = {};
        for (Size i = 0; i < count; ++i) {
            pull += logit_slopes(logits + i * classes, classes, labels_of(search)[first + i],
                                 *floats(cache.present, first + i), cache.scale, slopes + i * classes);
            losses += *floats(cache.losses, first + i);
        }
        cache.group_pulls[static_cast<std::size_t>(group)] = sum_of_lanes(pull);
        cache.group_losses[static_cast<std::size_t>(group)] = sum_of_lanes(losses);
        if (search.plan.tangent_level < last)
            back_through_last(search, slopes, count,
                              floats(cache.tangent_slopes, first * search.plan.level_size(search.plan.tangent_level)));
    }
    cache.sloped = true;
}

LANES_INLINE const Floats* slopes_at(const SearchState& search, Size level, Size block) {
    const Buffer& slopes = level == search.plan.num_layers() ? search.cache.logit_slopes : search.cache.tangent_slopes;
    return floats(slopes, block * search.plan.level_size(level));
}

// Slopes times changes where only one channel of the level changes.
LANES_TARGET static double slope_of_channel(const SearchState& search, const Move& move, Size first, Size count,
                                            const Trial& trial) {
    const Size size = search.plan.layer(move.layer).shaped_plane, level = move.layer + 1;
    const Floats* delta = floats(trial.delta, 0);
    Floats total = {};
    for (Size i = 0; i < count; ++i) {
        const Floats* slopes = slopes_at(search, level, first + i) + move.channel * size;
        for (Size e = 0; e < size; ++e) total += slopes[e] * delta[i * size + e];
    }
    return sum_of_lanes(total);
}

// Slopes times changes at the tangent level where it lies behind one unit's change and a ReLU.
LANES_TARGET static double slope_of_unit(const SearchState& search, const Move& move, Size first, Size count,
                                         const Trial& trial) {
    const Size size = search.plan.level_size(search.plan.tangent_level);
    const Floats *slopes = slopes_at(search, search.plan.tangent_level, first), *delta = floats(trial.delta, 0);
    const Floats* pre = cached_pre(search, move.layer + 1, first);
    const float* column = trial.column.data();
    Floats total[4] = {};  // in turn, or each sum would wait for the one before
    for (Size i = 0; i < count; ++i, slopes += size, pre += size) {
        if (!any((Words)delta[i])) continue;
        Size o = 0;
        for (; o + 4 <= size; o += 4)
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k)
                total[k] += slopes[o + k] *
                            (larger(Floats{}, pre[o + k] + delta[i] * column[o + k]) - larger(Floats{}, pre[o + k]));
        for (; o < size; ++o)
            total[0] += slopes[o] * (larger(Floats{}, pre[o] + delta[i] * column[o]) - larger(Floats{}, pre[o]));
    }
    return sum_of_lanes((total[0] + total[1]) + (total[2] + total[3]));
}

// Slopes times changes at the tangent level in general.
LANES_TARGET static double slope_of_level(const SearchState& search, const Move& move, Size first, Size count,
                                          Trial& trial) {
    const Size level = search.plan.tangent_level, size = count * search.plan.level_size(level);
    const Target target = trial_target(trial);
    propagate_change(search, move, level, first, count, target, trial);
    const Floats *slopes = slopes_at(search, level, first), *fresh = level_at(search, target, level, first);
    const Floats* old = level_of(search, search.cache.entering, level, first);
    Floats total = {};
    for (Size e = 0; e < size; ++e) total += slopes[e] * (fresh[e] - old[e]);
    return sum_of_lanes(total);
}

// By group the value of the tangent, in `trial.floors`; their sum.
LANES_TARGET static double find_floors(const SearchState& search, const Move& move, Trial& trial) {
    const ActivationCache& cache = search.cache;
    const double growth = static_cast<double>(move.scale) / static_cast<double>(cache.scale) - 1;
    const bool unit = move.unit && move.layer + 2 == search.plan.tangent_level;
    double floor = 0;
    for (Size first = 0, group = 0; first < cache.blocks; first += max_blocks, ++group) {
        const Size count = std::min(max_blocks, cache.blocks - first);
        const auto g = static_cast<std::size_t>(group);
        double slope = 0;
        trial.changed[g] = apply_move(search, move, first, count, trial_target(trial), trial);
        if (trial.changed[g]) {
            if (move.layer + 1 >= search.plan.tangent_level)
                slope = slope_of_channel(search, move, first, count, trial);
            else if (unit) slope = slope_of_unit(search, move, first, count, trial);
            else slope = slope_of_level(search, move, first, count, trial);
        }
        trial.floors[g] = cache.group_losses[g] + growth * cache.group_pulls[g] + move.scale * slope;
        floor += trial.floors[g];
    }
    return floor;
}

// --------------------------------------------------------------------------------------------------------------- moves

// Whether `find_floors` leaves the tangent level after the move in the trial.
inline bool leaves_tangent_level(const SearchPlan& plan, const Move& move) {
    return move.layer + 1 < plan.tangent_level && !(move.unit && move.layer + 2 == plan.tangent_level);
}

// The logits of a group of blocks after a move.
LANES_TARGET static const Floats* moved_logits(const SearchState& search, const Move& move, Size first, Size count,
                                               Trial& trial) {
    const Size last = search.plan.num_layers(), classes = search.plan.classes();
    const Floats* cached = level_of(search, search.cache.entering, last, first);
    const Target target = trial_target(trial);
    Floats* logits = level_at(search, target, last, first);
    if (search.cache.sloped && leaves_tangent_level(search.plan, move)) {
        if (!trial.changed[static_cast<std::size_t>(first / max_blocks)]) return cached;
        propagate(search, search.plan.tangent_level, last, first, count, target, trial);
        return logits;
    }
    if (!apply_move(search, move, first, count, target, trial)) return cached;
    if (move.layer + 1 < last) {
        propagate_change(search, move, last, first, count, target, trial);
        return logits;
    }
    const Size size = search.plan.layer(move.layer).shaped_plane;
    copy(cached, count * classes, logits);
    for (Size i = 0; i < count; ++i)
        copy(floats(trial.shaped, i * size), size, logits + i * classes + move.channel * size);
    return logits;
}

LANES_TARGET static double try_move(const SearchState& search, const Move& move, double limit, Trial& trial) {
    const ActivationCache& cache = search.cache;
    if (move.unit) take_column(search, move, trial);
    double floor = cache.sloped ? find_floors(search, move, trial) : 0, total = 0;
    trial.rejection = Rejection::tangent;
    if (floor > limit) return std::numeric_limits<double>::infinity();
    trial.rejection = Rejection::partial_sum;
    for (Size first = 0, group = 0; first < cache.blocks; first += max_blocks, ++group) {
        const Size count = std::min(max_blocks, cache.blocks - first);
        const Floats* logits = moved_logits(search, move, first, count, trial);
        const double losses = sum_of_losses(search, logits, first, count, move.scale, nullptr);
        total += losses;
        floor += cache.sloped ? losses - trial.floors[static_cast<std::size_t>(group)] : losses;
        if (floor > limit) return std::numeric_limits<double>::infinity();
    }
    trial.rejection = Rejection::none;
    return total;
}

LANES_TARGET static void make_move(const SearchState& search, const Move& move, Trial& trial) {
    const SearchPlan& plan = search.plan;
    ActivationCache& cache = search.cache;
    cache.scale = move.scale;
    cache.sloped = false;
    if (move.layer < 0) return;
    if (move.unit) take_column(search, move, trial);
    for (Size first = 0; first < cache.blocks; first += max_blocks) {
        const Size count = std::min(max_blocks, cache.blocks - first);
        const bool changed = apply_move(search, move, first, count, cache_target(search), trial);
        if (changed && move.layer + 1 < plan.num_layers())
            propagate_change(search, move, plan.num_layers(), first, count, cache_target(search), trial);
    }
}
