// What other weights of one unit or filter do to the logits, for one instruction set: instruction_set.inl includes this
// file, see there for the names it sets, and activation_cache.h for how examples are laid out.

// ----------------------------------------------------------------------------------------------------- the moved channel

// Places of a row of one channel of a convolution, whose entries begin at `in`.
struct RowOfChannel {
    const Stage& stage;
    const float* weights;
    float bias;
    const Floats* in;
    Floats* out;
};

// The places share each weight, and no sum waits for another.
template <int Places>
LANES_TARGET static void sum_places(const RowOfChannel& row) {
    const Size *taps = row.stage.taps.data(), num_taps = static_cast<Size>(row.stage.taps.size());
    const Size stride = row.stage.window.column_stride;
    Floats sums[Places];
#pragma GCC unroll 16
    for (int p = 0; p < Places; ++p) sums[p] = Floats{} + row.bias;
    for (Size k = 0; k < num_taps; ++k) {
        const Floats* entries = row.in + taps[k];
        const float weight = row.weights[k];
#pragma GCC unroll 16
        for (int p = 0; p < Places; ++p) sums[p] += weight * entries[p * stride];
    }
#pragma GCC unroll 16
    for (int p = 0; p < Places; ++p) row.out[p] = sums[p];
}

constexpr Size most_places = LANES_ACCUMULATORS / 2;

using SumPlaces = void (*)(const RowOfChannel&);

// The runners by [places - 1].
template <std::size_t... I>
constexpr std::array<SumPlaces, sizeof...(I)> place_runners_of(std::index_sequence<I...>) {
    return {sum_places<static_cast<int>(I) + 1>...};
}

inline constexpr auto place_runners = place_runners_of(std::make_index_sequence<most_places>{});

LANES_TARGET static void run_channel(const Stage& stage, const float* weights, float bias, const Floats* in,
                                     Floats* out) {
    const Pieces pieces(stage.out.width, most_places);
    for (Size y = 0; y < stage.out.height; ++y)
        for (Size i = 0; i < pieces.number; ++i) {
            const Size first = pieces.begin(i), length = pieces.begin(i + 1) - first;
            const Floats* begin =
                in + y * stage.window.row_stride * stage.in.width + first * stage.window.column_stride;
            place_runners[static_cast<std::size_t>(length - 1)](
                {stage, weights, bias, begin, out + y * stage.out.width + first});
        }
}

// A unit of a linear layer. Eight sums in turn: one alone would wait for each of its additions.
LANES_TARGET static Floats run_unit(const float* weights, float bias, const Floats* in, Size size) {
    Floats sums[8] = {Floats{} + bias};
    Size k = 0;
    for (; k + 8 <= size; k += 8)
#pragma GCC unroll 8
        for (int part = 0; part < 8; ++part) sums[part] += weights[k + part] * in[k + part];
    for (; k < size; ++k) sums[k % 8] += weights[k] * in[k];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// The channel's pre-activations and its entries of the next level, in `next`, and in the trial how these change; block
// `first` + i.
LANES_TARGET static void redo_channel(const GibbsState& state, const Move& move, Size first, Size i) {
    const SearchState& search = state.search;
    const Target target{state.space.next.pre, state.space.next.entering, true};
    const WeightedLayer& layer = search.plan.layer(move.layer);
    const float* weights = search.theta + layer.dense.weight + move.channel * layer.num_taps();
    const float bias = layer.dense.bias < 0 ? 0.0f : search.theta[layer.dense.bias + move.channel];
    const Size block = first + i, size = layer.shaped_plane;
    const Floats* in = level_of(search, search.cache.entering, move.layer, block);
    Floats* map = pre_at(search, target, move.layer, block) + move.channel * layer.plane;
    if (layer.linear()) *map = run_unit(weights, bias, in, layer.in_size);
    else run_channel(layer.dense, weights, bias, in, map);
    const Size offset = move.channel * size;
    Floats* shaped = level_at(search, target, move.layer + 1, block) + offset;
    shape(layer.channel_shaping, map, layer.plane, shaped, state.space.trial);
    const Floats* old = level_of(search, search.cache.entering, move.layer + 1, block) + offset;
    Floats* delta = floats(state.space.trial.delta, i * size);
    for (Size e = 0; e < size; ++e) delta[e] = shaped[e] - old[e];
}

// ----------------------------------------------------------------------------------------------------------- the margins

// What some blocks leave of an interval: by lane its ends, and whether margins that the step does not change are right.
struct Narrowed {
    Floats low, high;
    Ints fits;
};

LANES_INLINE Floats best_other(const Floats* logits, Size classes, Ints label, Size left_out) {
    Floats best = Floats{} - HUGE_VALF;
    for (Size c = 0; c < classes; ++c)
        if (c != left_out) best = choose(label == static_cast<std::int32_t>(c), best, larger(best, logits[c]));
    return best;
}

LANES_INLINE Floats entry_of(const SearchState& search, const View& view, const OutputWeight& chosen, Size block) {
    if (chosen.source < 0) return Floats{} + 1.0f;
    return level_of(search, view.features.entering, search.plan.num_layers() - 1, block)[chosen.source];
}

// All margins are linear in the chosen weight, or the least of a constant and of something linear. Written so that what is
// not a number fails.
LANES_INLINE void narrow(const GibbsState& state, const View& view, const OutputWeight& chosen, Size block,
                         Narrowed& left) {
    const SearchState& search = state.search;
    const Size classes = search.plan.classes();
    const Floats* logits = level_of(search, view.logits.entering, search.plan.num_layers(), block);
    const Ints label = labels_of(search)[block];
    const Floats above = *floats(state.space.above, block);
    const Floats right = label_logit(logits, classes, label), best = best_other(logits, classes, label, chosen.output);
    if (chosen.output < 0) {
        left.fits &= right - best > above;
        return;
    }
    const Ints own = label == static_cast<std::int32_t>(chosen.output);
    const Floats entry = entry_of(search, view, chosen, block);
    const Floats slack = choose(own, right - best, right - logits[chosen.output]) - above;
    const Floats slope = choose(own, entry, -entry), root = -slack / slope;
    left.low = choose((slope > 0.0f) & (root > left.low), root, left.low);
    left.high = choose((slope < 0.0f) & (root < left.high), root, left.high);
    left.fits &= ((slope > 0.0f) | (slope < 0.0f) | (slack > 0.0f)) & (own | (right - best > above));
    *floats(view.lines.slack, block) = slack;
    *floats(view.lines.slope, block) = slope;
}

LANES_INLINE Narrowed whole_interval(const OutputWeight& chosen) {
    if (chosen.output < 0) return {Floats{}, Floats{} + 1.0f, Ints{} - 1};
    return {Floats{} - HUGE_VALF, Floats{} + HUGE_VALF, Ints{} - 1};
}

LANES_INLINE Interval interval_of(const Narrowed& left) {
    float low = left.low[0], high = left.high[0];
    bool fits = left.fits[0] != 0;
    for (int lane = 1; lane < LANES; ++lane) {
        low = std::max<float>(low, left.low[lane]);
        high = std::min<float>(high, left.high[lane]);
        fits = fits && left.fits[lane] != 0;
    }
    return fits ? Interval{low, high} : Interval{};
}

LANES_TARGET static Interval feasible(const GibbsState& state, const View& view, const OutputWeight& chosen) {
    Narrowed left = whole_interval(chosen);
    for (Size block = 0; block < view.logits.blocks; ++block) narrow(state, view, chosen, block, left);
    return interval_of(left);
}

// -------------------------------------------------------------------------------------------------------------- the walk

LANES_TARGET static std::pair<Interval, Size> propose(const GibbsState& state, const Move& move,
                                                      const OutputWeight& chosen) {
    const SearchState& search = state.search;
    GibbsWorkspace& space = state.space;
    const Target target{space.next.pre, space.next.entering, true};
    const Size last = search.plan.num_layers(), size = search.plan.layer(move.layer).shaped_plane;
    const View view = state.proposed(move, chosen);
    if (move.unit) take_column(search, move, space.trial);
    Narrowed left = whole_interval(chosen);
    const Size together =
        move.layer < search.plan.first_linear ? 1 : max_blocks;  // a filter costs more than looking more often
    for (Size first = 0; first < space.now.blocks; first += together) {
        const Size count = std::min(together, space.now.blocks - first);
        if (move.layer + 1 == last)  // all logits but one stay
            copy(level_of(search, space.now.entering, last, first), count * search.plan.classes(),
                 level_at(search, target, last, first));
        for (Size i = 0; i < count; ++i) {
            redo_channel(state, move, first, i);
            pass_convolutions(search, move, floats(space.trial.delta, i * size), first, i, target, space.trial);
        }
        if (move.layer + 1 < last) propagate_change(search, move, last, first, count, target, space.trial);
        for (Size block = first; block < first + count; ++block) narrow(state, view, chosen, block, left);
        const Interval interval = interval_of(left);
        if (interval.length() <= 0) return {interval, first + count};
    }
    return {interval_of(left), space.now.blocks};
}

LANES_TARGET static bool shift(const GibbsState& state, const View& view, const OutputWeight& chosen, float step) {
    const SearchState& search = state.search;
    const Size classes = search.plan.classes(), last = search.plan.num_layers(), blocks = view.logits.blocks;
    Ints fits = Ints{} - 1;
    for (Size block = 0; block < blocks; ++block)
        fits &= *floats(view.lines.slack, block) + step * *floats(view.lines.slope, block) > 0.0f;
    if (bits_of(~fits) != 0) return false;
    for (Size block = 0; block < blocks; ++block) {
        const Floats change = step * entry_of(search, view, chosen, block);
        floats(view.logits.pre[static_cast<std::size_t>(last - 1)], block * classes)[chosen.output] += change;
        level_of(search, view.logits.entering, last, block)[chosen.output] += change;
    }
    return true;
}

// Levels that have changed as a whole change places; of the moved channel's there are only its entries.
LANES_TARGET static void accept(const GibbsState& state, const Move& move) {
    const SearchState& search = state.search;
    ActivationCache &now = state.space.now, &next = state.space.next;
    const WeightedLayer& layer = search.plan.layer(move.layer);
    const auto l = static_cast<std::size_t>(move.layer);
    const Size map = move.channel * layer.plane, shaped = move.channel * layer.shaped_plane;
    const Size level_size = search.plan.level_size(move.layer + 1);
    for (Size block = 0; block < now.blocks; ++block) {
        copy(floats(next.pre[l], block * layer.out_size + map), layer.plane,
             floats(now.pre[l], block * layer.out_size + map));
        copy(floats(next.entering[l + 1], block * level_size + shaped), layer.shaped_plane,
             floats(now.entering[l + 1], block * level_size + shaped));
    }
    for (std::size_t later = l + 1; later < now.pre.size(); ++later) {
        std::swap(now.pre[later], next.pre[later]);
        std::swap(now.entering[later + 1], next.entering[later + 1]);
    }
}

// The logits of a block with the chosen weight, if there is one, a step further.
LANES_INLINE const Floats* shifted(const GibbsState& state, const View& view, const OutputWeight& chosen, float step,
                                   Size block) {
    const SearchState& search = state.search;
    const Floats* logits = level_of(search, view.logits.entering, search.plan.num_layers(), block);
    if (chosen.output < 0) return logits;
    Floats* moved = floats(state.space.logits, 0);
    copy(logits, search.plan.classes(), moved);
    moved[chosen.output] += step * entry_of(search, view, chosen, block);
    return moved;
}

LANES_TARGET static double losses(const GibbsState& state, const View& view, const OutputWeight& chosen, float step,
                                  float scale) {
    const SearchState& search = state.search;
    double total = 0;
    for (Size block = 0; block < view.logits.blocks; ++block) {
        const Floats* logits = shifted(state, view, chosen, step, block);
        total += sum_of_losses(search, logits, block, 1, scale, nullptr);
    }
    return total;
}

LANES_TARGET static void margins_of(const GibbsState& state, float* out) {
    const SearchState& search = state.search;
    const Size classes = search.plan.classes();
    for (Size block = 0; block < search.cache.blocks; ++block) {
        const Floats* logits = level_of(search, search.cache.entering, search.plan.num_layers(), block);
        const Ints label = labels_of(search)[block];
        const Floats margin = label_logit(logits, classes, label) - best_other(logits, classes, label, -1);
        std::memcpy(out + block * LANES, &margin, sizeof margin);
    }
}

constexpr GibbsKernels gibbs_kernels{feasible, propose, shift, accept, losses, margins_of};
