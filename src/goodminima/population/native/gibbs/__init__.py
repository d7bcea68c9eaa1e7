"""Walks within a set of parameters by single units and filters, in the compiled kernel.

What every layer computes for every example is kept, so that other weights of one unit or filter cost that unit or filter
and what hangs on it.

The set is {theta in a box : margin_i > above_i, loss within bounds}, margin_i = z_y - max_{c != y} z_c. All margins are
linear in one weight v of the last layer, or the least of such: those that leave the others as they are make v range over an
interval. A sweep takes the units and filters of the layers but the last in order. For each, of weights and bias b:

1. A weight v to be integrated out: an output at random, then an entry that b feeds if that enters the last layer, else any,
   at random where there is a choice. Of v's interval, length l, and u uniform on (0, 1): the next b must leave an interval
   of more than u l.
2. With probability 0.3 the next b is drawn afresh from the box; else it is b + s h (2u - 1), reflected at the walls of the
   box, half widths h and a u for each entry, and log s uniform on (-3.5, 0). If that does not do, b stays as it is.
3. v is drawn from its interval, the new one if b moved.

Then every weight and bias of the last layer is drawn from its interval, output by output, biases first. Where the loss is
bounded, nothing is integrated out, what leaves the bounds does not do, and an output weight is sampled by slices (Neal
2003, figure 5): a stretch that begins as its interval shrinks to where it is, eight times at most. Nets that do not end in
a linear layer have no output weights, and move the last layer like the others.

Uniform numbers are (r + 1/2) 2^-24, r the upper 24 bits of the next output of the member's stream; whole ones below m are
floor(r m / 2^64) as in Pattern Search. Sums that were carried along are computed afresh at the end, and a walk that these
show outside the set, by their last digits, ends where it began.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, UInt64

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import Program, box_of, check_range, labels_of


class GibbsWalk(NamedTuple):
    """Where members ended, by layer with weights the proposals and those accepted, and what they cost."""

    theta: Float32[np.ndarray, "P D"]
    proposed: Sequence[int]
    accepted: Sequence[int]
    multiply_adds: int


@final
class GibbsWalker:
    """Members of one net on fixed examples, and how they move by single units and filters.

    Args:
        program: The net; no parameter belongs to two layers.
        half_width: Half the width of the box along each parameter.
        x: Examples, each of the program's `input_shape`.
        y: Their labels, 0 .. number of logits - 1.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels or offsets do not fit together.
    """

    def __init__(
        self,
        program: Program,
        *,
        half_width: Float[np.ndarray, "D"],
        x: Float[np.ndarray, "n ..."],
        y: Int[np.ndarray, "n"],
    ) -> None:
        box, images = box_of(half_width), program.images(x)
        self._walker = kernel().GibbsWalker(instruction_set(), program.net, box, images, labels_of(y))

    @property
    def multiply_adds(self) -> int:
        """Of a forward pass of one example."""
        return self._walker.multiply_adds

    def evaluate(
        self, theta: Float[np.ndarray, "P D"], *, threads: int = 1
    ) -> tuple[Float32[np.ndarray, "P n"], Float64[np.ndarray, "P"]]:
        """Margins z_y - max_{c != y} z_c and mean cross entropies of z / normaliser, of each member."""
        return self._walker.evaluate(np.ascontiguousarray(theta, np.float32), threads)

    def walk(
        self,
        theta: Float[np.ndarray, "P D"],
        above: Float[np.ndarray, "n"],
        *,
        loss_at_least: float = -math.inf,
        loss_below: float = math.inf,
        seed: int,
        streams: UInt64[np.ndarray, "P"],
        sweeps: int,
        threads: int = 1,
    ) -> GibbsWalk:
        """Walks within {margin_i > above_i for all i, loss_at_least <= loss < loss_below}, as `evaluate` computes these.

        Args:
            theta: A member a row, in the set.
            above: What the margins must exceed; -inf where nothing is asked.
            loss_at_least: Least loss, nats per example.
            loss_below: What the loss must be below, nats per example.
            seed: From 0 to 2^64 - 1.
            streams: The stream of `population.generator` that each member draws from.
            sweeps: How often every unit and filter has its turn.
            threads: Threads; they change nothing.
        """
        check_range("seed", seed, 2**64)
        thresholds = np.asarray(above, np.float64).astype(np.float32)
        thresholds = np.where(thresholds > above, np.nextafter(thresholds, np.float32(-np.inf)), thresholds)
        return GibbsWalk(
            *self._walker.walk(
                np.ascontiguousarray(theta, np.float32),
                np.ascontiguousarray(thresholds, np.float32),
                loss_at_least,
                loss_below,
                seed,
                np.ascontiguousarray(streams, np.uint64),
                sweeps,
                threads,
            )
        )
