// From a change of one parameter to the logits, for one instruction set: instruction_set.inl includes this file, see
// there for the names it sets, and activation_cache.h for how examples are laid out.

// Whether any lane is not zero.
LANES_INLINE bool any(Words bits) {
    bits <<= 1;  // a negative zero is zero
#if LANES == 16
    return _mm512_test_epi32_mask((__m512i)bits, (__m512i)bits) != 0;
#else
    std::uint64_t parts[LANES / 2], all = 0;
    std::memcpy(parts, &bits, sizeof bits);
    for (std::uint64_t part : parts) all |= part;
    return all != 0;
#endif
}

LANES_INLINE Floats* level_of(const SearchState& search, const std::vector<Buffer>& entering, Size level, Size block) {
    return floats(entering[static_cast<std::size_t>(level)], block * search.plan.level_size(level));
}

LANES_INLINE Floats* cached_pre(const SearchState& search, Size layer, Size block) {
    return floats(search.cache.pre[static_cast<std::size_t>(layer)], block * search.plan.layer(layer).out_size);
}

// Where results go: into the trial, group by group, or into the cache, when a move is made.
struct Target {
    const std::vector<Buffer>& pre;
    const std::vector<Buffer>& entering;
    bool all_blocks;
};

inline Target trial_target(const Trial& trial) { return {trial.pre, trial.entering, false}; }
inline Target cache_target(const SearchState& search) { return {search.cache.pre, search.cache.entering, true}; }

LANES_INLINE Floats* pre_at(const SearchState& search, const Target& target, Size layer, Size first) {
    const Size offset = target.all_blocks ? first * search.plan.layer(layer).out_size : 0;
    return floats(target.pre[static_cast<std::size_t>(layer)], offset);
}

// The trial keeps the tangent level of all blocks.
LANES_INLINE Floats* level_at(const SearchState& search, const Target& target, Size level, Size first) {
    return level_of(search, target.entering, level,
                    target.all_blocks || level == search.plan.tangent_level ? first : 0);
}

// Several vectors at once.
LANES_INLINE void copy(const Floats* from, Size count, Floats* to) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Floats));
}

LANES_TARGET static void shape(const std::vector<Stage>& shaping, const Floats* in, Size in_size, Floats* out,
                               const Trial& trial) {
    if (shaping.empty()) {
        copy(in, in_size, out);
        return;
    }
    const float* from = reinterpret_cast<const float*>(in);
    for (std::size_t i = 0; i < shaping.size(); ++i) {
        float* to = i + 1 == shaping.size() ? reinterpret_cast<float*>(out) : trial.temporaries[i % 2].get();
        run_spatial(shaping[i], nullptr, from, to, nullptr);
        from = to;
    }
}

// ------------------------------------------------------------------------------------------------------ sums of a layer

// Outputs of a layer from which on it pays to leave out entries that are zero in all lanes of all blocks (measured). There
// are many behind a ReLU.
constexpr Size worth_a_search = 32;

LANES_INLINE std::pair<const Size*, Size> find_nonzero(const Floats* in, Size size, Size count, Size* entries) {
    Size found = 0;
    for (Size e = 0; e < size; ++e) {
        Words bits = {};
        for (Size i = 0; i < count; ++i) bits |= (Words)in[i * size + e];
        entries[found] = e;
        found += any(bits) ? 1 : 0;
    }
    return {entries, found};
}

// out[block][output] = begin[block][output] + products of `size` entries and their weights, which lie side by side for each
// output.
LANES_TARGET static void add_linear(const WeightedLayer& layer, const float* weights, const Floats* in, Size size,
                                    Size count, const Floats* begin, Floats* out, Trial& trial) {
    auto products = products_of(in, weights);
    products.left_step = size;
    products.right_places = layer.rows.data();
    products.inner = size;
    products.left_inner = layer.numbers.data();
    if (layer.out_size >= worth_a_search)
        std::tie(products.left_inner, products.inner) = find_nonzero(in, size, count, trial.nonzero.data());
    products.right_inner = products.left_inner;
    products.begin = begin;
    products.out = out;
    products.out_step = layer.out_size;
    run_all_products(products, count, layer.out_size);
}

// The same for a convolution, of its first `taps` taps and one block.
LANES_TARGET static void add_convolution(const WeightedLayer& layer, const float* weights, const Floats* in, Size taps,
                                         const Floats* begin, Floats* out) {
    const Stage& stage = layer.dense;
    auto products = products_of(in, weights);
    products.left_step = stage.window.column_stride;
    products.right_places = layer.rows.data();
    products.inner = taps;
    products.left_inner = stage.taps.data();
    products.right_inner = layer.numbers.data();
    products.out_place_step = layer.plane;
    products.out_step = 1;
    for (Size row = 0; row < stage.out.height; ++row) {
        products.left = in + row * stage.window.row_stride * stage.in.width;
        products.begin = begin + row * stage.out.width;
        products.out = out + row * stage.out.width;
        run_all_products(products, stage.out.width, stage.out.channels);
    }
}

// What layer `number` computes from `in`, `count` blocks.
LANES_TARGET static void run_layer(const SearchState& search, Size number, const Floats* in, Size count, Floats* pre,
                                   Trial& trial) {
    const WeightedLayer& layer = search.plan.layer(number);
    const float* weights = search.theta + layer.dense.weight;
    for (Size i = 0; i < count * layer.dense.out.channels; ++i) {
        const Size bias = layer.dense.bias, output = i % layer.dense.out.channels;
        const Floats begin = Floats{} + (bias < 0 ? 0.0f : search.theta[bias + output]);
        for (Size p = 0; p < layer.plane; ++p) pre[i * layer.plane + p] = begin;
    }
    if (layer.linear()) add_linear(layer, weights, in, layer.in_size, count, pre, pre, trial);
    else
        for (Size i = 0; i < count; ++i) {
            Floats* out = pre + i * layer.out_size;
            add_convolution(layer, weights, in + i * layer.in_size, layer.num_taps(), out, out);
        }
}

LANES_TARGET static void shape_layer(const SearchState& search, Size number, const Floats* pre, Size count, Floats* out,
                                     const Trial& trial) {
    const WeightedLayer& layer = search.plan.layer(number);
    const Size size = search.plan.level_size(number + 1);
    for (Size i = 0; i < count; ++i)
        shape(layer.shaping, pre + i * layer.out_size, layer.out_size, out + i * size, trial);
}

// ------------------------------------------------------------------------------------------------------ one moved weight

// The channel that the move changes, in one block: its pre-activations, its entries in the next level, and their change.
// The bits of all changes together.
LANES_TARGET static Words change_channel(const SearchState& search, const Move& move, Size block, Floats* map,
                                         Floats* shaped, Floats* delta, const Trial& trial) {
    const WeightedLayer& layer = search.plan.layer(move.layer);
    const Size plane = layer.plane, shaped_plane = layer.shaped_plane;
    const Size* places = layer.dense.places.data();
    const Floats* pre = cached_pre(search, move.layer, block) + move.channel * plane;
    if (move.source < 0) {
        for (Size p = 0; p < plane; ++p) map[p] = pre[p] + move.step;
    } else {
        const Floats* in = level_of(search, search.cache.entering, move.layer, block) + move.source;
        for (Size p = 0; p < plane; ++p) map[p] = pre[p] + move.step * in[places[p]];
    }
    shape(layer.channel_shaping, map, plane, shaped, trial);
    const Floats* old = level_of(search, search.cache.entering, move.layer + 1, block) + move.channel * shaped_plane;
    Words bits = {};
    for (Size e = 0; e < shaped_plane; ++e) {
        delta[e] = shaped[e] - old[e];
        bits |= (Words)delta[e];
    }
    return bits;
}

// Where block `first` + i has its entries of a level among the convolutions. Of these the trial keeps one block at a time,
// which then stays in a near cache, up to the level that all blocks of a group enter the linear layers with.
LANES_INLINE Floats* level_among(const SearchState& search, const Target& target, Size level, Size first, Size i) {
    if (target.all_blocks || level == search.plan.tangent_level)
        return level_of(search, target.entering, level, first + i);
    return level_of(search, target.entering, level, level == search.plan.first_linear ? i : 0);
}

// From the change of one channel in block `first` + i through the convolutions behind it.
LANES_TARGET static void pass_convolutions(const SearchState& search, const Move& move, const Floats* delta, Size first,
                                           Size i, const Target& target, Trial& trial) {
    for (Size l = move.layer + 1; l < search.plan.first_linear; ++l) {
        const WeightedLayer& layer = search.plan.layer(l);
        Floats* pre = pre_at(search, target, l, first + i);
        if (l == move.layer + 1) {
            const Size taps = layer.num_taps() / layer.dense.in.channels;
            add_convolution(layer, search.theta + layer.dense.weight + move.channel * taps, delta, taps,
                            cached_pre(search, l, first + i), pre);
        } else {
            run_layer(search, l, level_among(search, target, l, first, i), 1, pre, trial);
        }
        shape(layer.shaping, pre, layer.out_size, level_among(search, target, l + 1, first, i), trial);
    }
}

// What the move changes in `count` blocks from `first` on, up to the first linear layer behind it. Whether any entry of
// the level behind the moved layer changes.
LANES_TARGET static bool apply_move(const SearchState& search, const Move& move, Size first, Size count,
                                    const Target& target, Trial& trial) {
    if (move.layer < 0) return false;
    const WeightedLayer& layer = search.plan.layer(move.layer);
    const Size size = layer.shaped_plane;
    Words bits = {};
    for (Size i = 0; i < count; ++i) {
        Floats *shaped = floats(trial.shaped, i * size), *delta = floats(trial.delta, i * size);
        Floats* map = target.all_blocks ? cached_pre(search, move.layer, first + i) + move.channel * layer.plane
                                        : floats(trial.map, 0);
        bits |= change_channel(search, move, first + i, map, shaped, delta, trial);
        if (target.all_blocks)
            copy(shaped, size, level_of(search, target.entering, move.layer + 1, first + i) + move.channel * size);
        pass_convolutions(search, move, delta, first, i, target, trial);
    }
    return any(bits);
}

// The weights by which unit `move.channel` enters the next layer, side by side.
LANES_TARGET static const float* take_column(const SearchState& search, const Move& move, Trial& trial) {
    const WeightedLayer& next = search.plan.layer(move.layer + 1);
    const float* weights = search.theta + next.dense.weight + move.channel;
    for (Size o = 0; o < next.out_size; ++o) trial.column[static_cast<std::size_t>(o)] = weights[o * next.in_size];
    return trial.column.data();
}

// From the change of one unit through the next layer and its ReLU to `out`, the level behind it. `kept`, if not null, is
// given the pre-activations.
LANES_TARGET static void pass_unit(const SearchState& search, const Move& move, Size first, Size count, Floats* kept,
                                   Floats* out, const Trial& trial) {
    const Size size = search.plan.layer(move.layer + 1).out_size;
    const Floats *pre = cached_pre(search, move.layer + 1, first), *delta = floats(trial.delta, 0);
    const float* column = trial.column.data();
    for (Size i = 0; i < count; ++i)
        for (Size o = 0; o < size; ++o) {
            const Floats sum = pre[i * size + o] + delta[i] * column[o];
            if (kept) kept[i * size + o] = sum;
            out[i * size + o] = larger(Floats{}, sum);
        }
}

// From level `from` to level `to`.
LANES_TARGET static void propagate(const SearchState& search, Size from, Size to, Size first, Size count,
                                   const Target& target, Trial& trial) {
    for (Size l = from; l < to; ++l) {
        Floats* pre = pre_at(search, target, l, first);
        run_layer(search, l, level_at(search, target, l, first), count, pre, trial);
        shape_layer(search, l, pre, count, level_at(search, target, l + 1, first), trial);
    }
}

// From what `apply_move` has found to level `to`, behind the next one.
LANES_TARGET static void propagate_change(const SearchState& search, const Move& move, Size to, Size first, Size count,
                                          const Target& target, Trial& trial) {
    const Size next = move.layer + 1;
    if (next < search.plan.first_linear) {
        propagate(search, search.plan.first_linear, to, first, count, target, trial);
        return;
    }
    Floats *pre = pre_at(search, target, next, first), *after = level_at(search, target, next + 1, first);
    if (move.unit) {
        pass_unit(search, move, first, count, target.all_blocks ? pre : nullptr, after, trial);
    } else {
        const WeightedLayer& layer = search.plan.layer(next);
        const Size size = search.plan.layer(move.layer).shaped_plane;
        add_linear(layer, search.theta + layer.dense.weight + move.channel * size, floats(trial.delta, 0), size, count,
                   cached_pre(search, next, first), pre, trial);
        shape_layer(search, next, pre, count, after, trial);
    }
    propagate(search, next + 1, to, first, count, target, trial);
}

// ------------------------------------------------------------------------------------------------------- whole caches

LANES_TARGET static void load(const SearchState& search, const Dataset& data, const std::vector<Size>& order,
                              Trial& trial) {
    const float* images = data.images.data();
    const Size input_size = search.plan.program.input_size, examples = static_cast<Size>(order.size());
    const Buffer raw(input_size * LANES);
    std::int32_t* label = reinterpret_cast<std::int32_t*>(search.cache.labels.get());
    for (Size block = 0; block < search.cache.blocks; ++block) {
        for (Size lane = 0; lane < LANES; ++lane) {
            const Size place = block * LANES + lane,
                       example = order[static_cast<std::size_t>(std::min(place, examples - 1))];
            label[place] = static_cast<std::int32_t>(data.labels[static_cast<std::size_t>(example)]);
            search.cache.present.get()[place] = place < examples ? 1.0f : 0.0f;
            for (Size k = 0; k < input_size; ++k) raw.get()[k * LANES + lane] = images[example * input_size + k];
        }
        shape(search.plan.lead, floats(raw, 0), input_size, level_of(search, search.cache.entering, 0, block), trial);
    }
}

LANES_INLINE float largest_lane(Floats values) {
    float largest = values[0];
    for (int lane = 1; lane < LANES; ++lane) largest = std::max(largest, values[lane]);
    return largest;
}

LANES_TARGET static double refresh(const SearchState& search, Trial& trial) {
    const SearchPlan& plan = search.plan;
    double drift = 0;
    for (Size l = 0; l < plan.num_layers(); ++l) {
        const Size size = plan.layer(l).out_size;
        Floats largest = {}, difference = {};
        for (Size first = 0; first < search.cache.blocks; first += max_blocks) {
            const Size count = std::min(max_blocks, search.cache.blocks - first);
            Floats *fresh = pre_at(search, trial_target(trial), l, 0), *cached = cached_pre(search, l, first);
            run_layer(search, l, level_of(search, search.cache.entering, l, first), count, fresh, trial);
            for (Size i = 0; i < count * size; ++i) {
                const Floats gap = fresh[i] - cached[i];
                largest = larger(largest, larger(fresh[i], -fresh[i]));
                difference = larger(difference, larger(gap, -gap));
                cached[i] = fresh[i];
            }
            shape_layer(search, l, cached, count, level_of(search, search.cache.entering, l + 1, first), trial);
        }
        const double most = largest_lane(largest);
        if (most > 0) drift = std::max(drift, largest_lane(difference) / most);
    }
    return drift;
}
