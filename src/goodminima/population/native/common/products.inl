// Sums of products of two arrays, for one instruction set: instruction_set.inl includes this file, see there for the
// names it sets.
//
// All gradients of a layer are of one form:
//
//     out[i][j] = sum over m, k of left[i * left_step + m * left_outer + left_inner[k]]
//                                * right[right_places[j] + m * right_outer + right_inner[k]]
//
// computed in tiles of rows i and places j, whose sums stay in registers over all m and k: one order whatever the tile.

// `In` is float where all members see the same.
template <typename In>
struct Products {
    const Floats* left;
    const In* right;
    Size left_step;
    const Size* right_places;
    Size outer = 1, left_outer = 0, right_outer = 0;
    Size inner;
    const Size *left_inner, *right_inner;
    Floats* out;
    Size out_step, out_place_step = 1;
    const Floats* begin = nullptr;  // what is added to, laid out as `out`: cutting a sum in two changes no bit of it
};

// Deduces `In`: named outright, the vector type would lose its attributes, and the compiler would say so.
template <typename In>
LANES_INLINE Products<In> products_of(const Floats* left, const In* right) {
    Products<In> products{};
    products.left = left;
    products.right = right;
    return products;
}

template <typename In, int Rows, int Places>
LANES_TARGET static void run_products(const Products<In>& products) {
    Floats sums[Rows][Places];
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < Places; ++j)
            sums[i][j] =
                products.begin ? products.begin[i * products.out_step + j * products.out_place_step] : Floats{};
    const In* right[Places];
#pragma GCC unroll 8
    for (int j = 0; j < Places; ++j) right[j] = products.right + products.right_places[j];
    const Floats* left = products.left;
    const Size left_step = products.left_step, inner = products.inner;
    const Size *left_inner = products.left_inner, *right_inner = products.right_inner;
    for (Size m = 0; m < products.outer; ++m) {
        const Size right_row = m * products.right_outer;
        for (Size k = 0; k < inner; ++k) {
            const Floats* factors = left + left_inner[k];
            const Size place = right_row + right_inner[k];
            Floats factor[Rows];
#pragma GCC unroll 8
            for (int i = 0; i < Rows; ++i) factor[i] = factors[i * left_step];
#pragma GCC unroll 8
            for (int j = 0; j < Places; ++j) {
                const In value = right[j][place];
#pragma GCC unroll 8
                for (int i = 0; i < Rows; ++i) sums[i][j] += factor[i] * value;
            }
        }
        left += products.left_outer;
    }
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < Places; ++j) products.out[i * products.out_step + j * products.out_place_step] = sums[i][j];
}

template <typename In>
using RunProducts = void (*)(const Products<In>&);

template <typename In, int Rows, int Places>
constexpr RunProducts<In> products_runner() {
    if constexpr (Rows * Places <= LANES_ACCUMULATORS) return run_products<In, Rows, Places>;
    else return nullptr;
}

// The runners by [rows - 1][places - 1], flattened.
template <typename In, std::size_t... I>
constexpr std::array<RunProducts<In>, sizeof...(I)> products_runners_of(std::index_sequence<I...>) {
    return {products_runner<In, I / max_places + 1, I % max_places + 1>()...};
}

template <typename In>
inline constexpr auto products_runners = products_runners_of<In>(std::make_index_sequence<max_outputs * max_places>{});

// All `places` sums of at most `max_outputs` rows. One tile is moved along: copying it would cost as much as its sums.
template <typename In>
LANES_TARGET static void run_rows(Products<In>& tile, Size rows, Size places) {
    const Pieces pieces(places, std::min<Size>(max_places, LANES_ACCUMULATORS / rows));
    const Size longer = places % pieces.number;  // pieces that have one place more than the rest
    for (Size p = 0; p < pieces.number; ++p) {
        const Size width = places / pieces.number + (p < longer ? 1 : 0), step = width * tile.out_place_step;
        products_runners<In>[static_cast<std::size_t>((rows - 1) * max_places + width - 1)](tile);
        tile.right_places += width;
        tile.out += step;
        if (tile.begin) tile.begin += step;
    }
}

template <typename In>
LANES_TARGET static void run_all_products(const Products<In>& whole, Size rows, Size places) {
    Products<In> tile = whole;
    const Pieces bands(rows, largest_outputs(places));
    for (Size b = 0; b < bands.number; ++b) {
        const Size row = bands.begin(b);
        tile.left = whole.left + row * whole.left_step;
        tile.out = whole.out + row * whole.out_step;
        if (whole.begin) tile.begin = whole.begin + row * whole.out_step;
        tile.right_places = whole.right_places;
        run_rows(tile, bands.begin(b + 1) - row, places);
    }
}
