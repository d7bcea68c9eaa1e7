// What other weights of one unit or filter do to the logits, for one instruction set: lanes.h includes this file, see there
// for the names it sets, and caches.h for how examples are laid out.

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

LANES_TARGET static void run_channel(const Stage& stage, const float* weights, float bias, const Floats* in, Floats* out) {
    const Pieces pieces(stage.out.width, most_places);
    for (Size y = 0; y < stage.out.height; ++y)
        for (Size i = 0; i < pieces.number; ++i) {
            const Size first = pieces.begin(i), length = pieces.begin(i + 1) - first;
            const Floats* begin = in + y * stage.window.row_stride * stage.in.width + first * stage.window.column_stride;
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
LANES_TARGET static void redo_channel(const Neurons& neurons, const Move& move, Size first, Size i) {
    const Search& search = neurons.search;
    const Target target{neurons.space.next.pre, neurons.space.next.entering, true};
    const Link& link = search.plan.link(move.link);
    const float* weights = search.theta + link.dense.weight + move.channel * link.num_taps();
    const float bias = link.dense.bias < 0 ? 0.0f : search.theta[link.dense.bias + move.channel];
    const Size block = first + i, size = link.shaped_plane;
    const Floats* in = level_of(search, search.caches.entering, move.link, block);
    Floats* map = pre_at(search, target, move.link, block) + move.channel * link.plane;
    if (link.linear()) *map = run_unit(weights, bias, in, link.in_size);
    else run_channel(link.dense, weights, bias, in, map);
    const Size offset = move.channel * size;
    Floats* shaped = level_at(search, target, move.link + 1, block) + offset;
    shape(link.channel_shaping, map, link.plane, shaped, neurons.space.trial);
    const Floats* old = level_of(search, search.caches.entering, move.link + 1, block) + offset;
    Floats* delta = floats(neurons.space.trial.delta, i * size);
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

LANES_INLINE Floats entry_of(const Search& search, const View& view, const Ask& ask, Size block) {
    if (ask.source < 0) return Floats{} + 1.0f;
    return level_of(search, view.features.entering, search.plan.num_links() - 1, block)[ask.source];
}

// All margins are linear in the asked weight, or the least of a constant and of something linear. Written so that what is
// not a number fails.
LANES_INLINE void narrow(const Neurons& neurons, const View& view, const Ask& ask, Size block, Narrowed& left) {
    const Search& search = neurons.search;
    const Size classes = search.plan.classes();
    const Floats* logits = level_of(search, view.logits.entering, search.plan.num_links(), block);
    const Ints label = labels_of(search)[block];
    const Floats above = *floats(neurons.space.above, block);
    const Floats right = right_logit(logits, classes, label), best = best_other(logits, classes, label, ask.output);
    if (ask.output < 0) {
        left.fits &= right - best > above;
        return;
    }
    const Ints own = label == static_cast<std::int32_t>(ask.output);
    const Floats entry = entry_of(search, view, ask, block);
    const Floats slack = choose(own, right - best, right - logits[ask.output]) - above;
    const Floats slope = choose(own, entry, -entry), root = -slack / slope;
    left.low = choose((slope > 0.0f) & (root > left.low), root, left.low);
    left.high = choose((slope < 0.0f) & (root < left.high), root, left.high);
    left.fits &= ((slope > 0.0f) | (slope < 0.0f) | (slack > 0.0f)) & (own | (right - best > above));
    *floats(view.lines.slack, block) = slack;
    *floats(view.lines.slope, block) = slope;
}

LANES_INLINE Narrowed whole_interval(const Ask& ask) {
    if (ask.output < 0) return {Floats{}, Floats{} + 1.0f, Ints{} - 1};
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

LANES_TARGET static Interval look(const Neurons& neurons, const View& view, const Ask& ask) {
    Narrowed left = whole_interval(ask);
    for (Size block = 0; block < view.logits.blocks; ++block) narrow(neurons, view, ask, block, left);
    return interval_of(left);
}

// -------------------------------------------------------------------------------------------------------------- the walk

LANES_TARGET static std::pair<Interval, Size> propose(const Neurons& neurons, const Move& move, const Ask& ask) {
    const Search& search = neurons.search;
    NeuronSpace& space = neurons.space;
    const Target target{space.next.pre, space.next.entering, true};
    const Size last = search.plan.num_links(), size = search.plan.link(move.link).shaped_plane;
    const View view = neurons.proposed(move, ask);
    if (move.unit) take_column(search, move, space.trial);
    Narrowed left = whole_interval(ask);
    const Size together = move.link < search.plan.flat ? 1 : max_blocks;  // a filter costs more than looking more often
    for (Size first = 0; first < space.now.blocks; first += together) {
        const Size count = std::min(together, space.now.blocks - first);
        if (move.link + 1 == last)  // all logits but one stay
            copy(level_of(search, space.now.entering, last, first), count * search.plan.classes(),
                 level_at(search, target, last, first));
        for (Size i = 0; i < count; ++i) {
            redo_channel(neurons, move, first, i);
            pass_convolutions(search, move, floats(space.trial.delta, i * size), first, i, target, space.trial);
        }
        if (move.link + 1 < last) carry(search, move, last, first, count, target, space.trial);
        for (Size block = first; block < first + count; ++block) narrow(neurons, view, ask, block, left);
        const Interval interval = interval_of(left);
        if (interval.length() <= 0) return {interval, first + count};
    }
    return {interval_of(left), space.now.blocks};
}

LANES_TARGET static bool shift(const Neurons& neurons, const View& view, const Ask& ask, float step) {
    const Search& search = neurons.search;
    const Size classes = search.plan.classes(), last = search.plan.num_links(), blocks = view.logits.blocks;
    Ints fits = Ints{} - 1;
    for (Size block = 0; block < blocks; ++block)
        fits &= *floats(view.lines.slack, block) + step * *floats(view.lines.slope, block) > 0.0f;
    if (bits_of(~fits) != 0) return false;
    for (Size block = 0; block < blocks; ++block) {
        const Floats change = step * entry_of(search, view, ask, block);
        floats(view.logits.pre[static_cast<std::size_t>(last - 1)], block * classes)[ask.output] += change;
        level_of(search, view.logits.entering, last, block)[ask.output] += change;
    }
    return true;
}

// Levels that have changed as a whole change places; of the moved channel's there are only its entries.
LANES_TARGET static void adopt(const Neurons& neurons, const Move& move) {
    const Search& search = neurons.search;
    Caches &now = neurons.space.now, &next = neurons.space.next;
    const Link& link = search.plan.link(move.link);
    const auto l = static_cast<std::size_t>(move.link);
    const Size map = move.channel * link.plane, shaped = move.channel * link.shaped_plane;
    const Size level_size = search.plan.level_size(move.link + 1);
    for (Size block = 0; block < now.blocks; ++block) {
        copy(floats(next.pre[l], block * link.out_size + map), link.plane,
             floats(now.pre[l], block * link.out_size + map));
        copy(floats(next.entering[l + 1], block * level_size + shaped), link.shaped_plane,
             floats(now.entering[l + 1], block * level_size + shaped));
    }
    for (std::size_t later = l + 1; later < now.pre.size(); ++later) {
        std::swap(now.pre[later], next.pre[later]);
        std::swap(now.entering[later + 1], next.entering[later + 1]);
    }
}

// The logits of a block with the asked weight, if there is one, a step further.
LANES_INLINE const Floats* shifted(const Neurons& neurons, const View& view, const Ask& ask, float step, Size block) {
    const Search& search = neurons.search;
    const Floats* logits = level_of(search, view.logits.entering, search.plan.num_links(), block);
    if (ask.output < 0) return logits;
    Floats* moved = floats(neurons.space.logits, 0);
    copy(logits, search.plan.classes(), moved);
    moved[ask.output] += step * entry_of(search, view, ask, block);
    return moved;
}

LANES_TARGET static double losses(const Neurons& neurons, const View& view, const Ask& ask, float step, float scale) {
    const Search& search = neurons.search;
    double total = 0;
    for (Size block = 0; block < view.logits.blocks; ++block) {
        const Floats* logits = shifted(neurons, view, ask, step, block);
        total += sum_of_losses(search, logits, block, 1, scale, nullptr);
    }
    return total;
}

LANES_TARGET static void margins_of(const Neurons& neurons, float* out) {
    const Search& search = neurons.search;
    const Size classes = search.plan.classes();
    for (Size block = 0; block < search.caches.blocks; ++block) {
        const Floats* logits = level_of(search, search.caches.entering, search.plan.num_links(), block);
        const Ints label = labels_of(search)[block];
        const Floats margin = right_logit(logits, classes, label) - best_other(logits, classes, label, -1);
        std::memcpy(out + block * LANES, &margin, sizeof margin);
    }
}

constexpr NeuronEngine neuron_engine{look, propose, shift, adopt, losses, margins_of};
