"""Pattern Search through the compiled kernel: exact, incremental, one weight at a time.

What every layer computes for every example is kept, so that a candidate costs what its change costs: one logit for a
weight of the last layer, one unit or one channel and what hangs on it for the others. Sums that surely exceed the loss to
beat are given up early; decisions are those of the whole sums.
"""

import math
from typing import final

import numpy as np
from jaxtyping import Float, Float32, Int

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import Program, check_range, labels_of

_NO_LIMIT = 2**62


@final
class IncrementalPatternSearch:
    """A search under way: `run` goes on with it, everything else tells where it stands.

    A *candidate* adds or subtracts the radius at one parameter. Candidates come in random order without replacement; the
    first that lowers the mean cross entropy of z / normaliser is accepted, and a new order begins. When all
    2D have failed in a row the radius halves.

    The order is a lazy Fisher-Yates shuffle of the pairs c = 2 parameter + (0 for plus, 1 for minus), numbered from 0 at
    the beginning of the search and never put back: at place i of a failing streak, places i and i + integer below
    (2D - i) are exchanged. An integer below m is floor(r m / 2^64), r = 2^32 first + second of the next two outputs of
    stream `stream` of `seed` of `population.generator`.

    Args:
        program: The net; no parameter belongs to two layers.
        theta: Where to begin.
        x: Examples, each of the program's `input_shape`.
        y: Their labels, 0 .. number of logits - 1.
        seed: From 0 to 2^64 - 1.
        stream: From 0 to 2^63 - 1: the number of the search.
        radius: The first radius. Parameters are float32, and so are sums of parameter and radius.
        best_of: K: evaluate K candidates, fewer at the end of a pass, and accept the best if it lowers the loss.
        proceed: After an acceptance go on with the order where it stands, and begin again after its last candidate.
        patience: Failures in a row that halve the radius; None for a whole pass, 2D.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels or offsets do not fit together, or the loss at `theta` is not finite.

    Reference: Chiang et al. 2023, section 4.1.2.

    Differs from paper: `best_of`, `proceed` and `patience` are variants; the authors' code has the first of them.
    """

    def __init__(
        self,
        program: Program,
        *,
        theta: Float[np.ndarray, "D"],
        x: Float[np.ndarray, "n ..."],
        y: Int[np.ndarray, "n"],
        seed: int,
        stream: int,
        radius: float = 1.0,
        best_of: int = 1,
        proceed: bool = False,
        patience: int | None = None,
    ) -> None:
        check_range("seed", seed, 2**64)
        check_range("stream", stream, 2**63)
        if not (0 < radius < math.inf and np.float32(radius) > 0):
            raise ValueError(f"radius must be positive and finite, got {radius}")
        if best_of < 1:
            raise ValueError(f"best_of must be at least 1, got {best_of}")
        whole_pass = 2 * len(theta)
        if patience is not None and not 1 <= patience <= whole_pass:
            raise ValueError(f"patience must lie from 1 to 2D = {whole_pass}, got {patience}")
        self._first_radius = radius
        self._search = kernel().IncrementalPatternSearch(
            instruction_set(),
            program.net,
            np.ascontiguousarray(theta, np.float32),
            program.images(x),
            labels_of(y),
            seed,
            stream,
            radius,
            best_of,
            proceed,
            whole_pass if patience is None else patience,
        )

    def run(
        self,
        *,
        candidates: int,
        steps: int | None = None,
        fitted: bool = True,
        loss_below: float = -math.inf,
        threads: int = 1,
    ) -> None:
        """Tries at most `candidates` further candidates. How a search is cut into runs does not change it.

        Args:
            candidates: How many candidates to try at most.
            steps: Ends when so many were accepted since the search began; None for no such end.
            fitted: Ends when every example is classified correctly.
            loss_below: Ends when the loss is at most this, nats per example.
            threads: Threads that evaluate candidates ahead of their turn; they change nothing but the time.
        """
        if candidates < 0:
            raise ValueError(f"candidates must not be negative, got {candidates}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self._search.run(candidates, _NO_LIMIT if steps is None else steps, fitted, loss_below, threads)

    @property
    def theta(self) -> Float32[np.ndarray, "D"]:
        """The parameters now, a copy."""
        return self._search.theta

    @property
    def loss(self) -> float:
        """Mean normalised cross entropy, nats per example."""
        return self._search.loss

    @property
    def num_correct(self) -> int:
        """Examples whose label has the largest logit, no other as large."""
        return self._search.num_correct

    @property
    def candidates(self) -> int:
        """Candidates tried since the search began."""
        return self._search.candidates

    @property
    def steps(self) -> int:
        """Candidates accepted since the search began."""
        return self._search.steps

    @property
    def failures(self) -> int:
        """Candidates that failed in a row since the last acceptance or halving."""
        return self._search.failures

    @property
    def num_halvings(self) -> int:
        """How often the radius was halved."""
        return self._search.num_halvings

    @property
    def radius(self) -> float:
        """The radius now."""
        return math.ldexp(self._first_radius, -self.num_halvings)

    @property
    def drift(self) -> float:
        """Largest difference of a remembered pre-activation to a fresh one when all were last computed afresh.

        Relative to the largest pre-activation of the layer; 0 before the first time, after 2,000 acceptances.
        """
        return self._search.drift

    @property
    def rejected_by_tangent(self) -> int:
        """Candidates rejected because the tangent of the losses alone exceeded what was to be beaten."""
        return self._search.by_tangent

    @property
    def rejected_by_partial_sum(self) -> int:
        """Candidates rejected before the losses of all examples were summed."""
        return self._search.by_partial_sum
