"""Hits among guesses, and the volume they stand for, with an exact binomial interval."""

import math
from dataclasses import dataclass
from typing import final

from scipy.stats import beta


@final
@dataclass(frozen=True, slots=True)
class LogVolume:
    """The natural log of a volume, mostly a probability, with an interval.

    Args:
        estimate: Log volume; None where only a bound is known.
        low: Lower end of the interval; -inf where there was no hit, so that only an upper bound is known.
        high: Upper end of the interval; where only a lower bound is known 0, or inf if the volume is no probability.
        confidence: Coverage of the interval.
    """

    estimate: float | None
    low: float
    high: float
    confidence: float

    @property
    def is_bound(self) -> bool:
        """Whether only a bound is known: an upper one where `low` is -inf, else a lower one."""
        return self.estimate is None

    def __str__(self) -> str:
        if self.is_bound and self.low > -math.inf:
            return f"log V >= {self.low:.3f} ({self.confidence:.0%} confidence, a lower bound alone)"
        if self.is_bound:
            return f"log V <= {self.high:.3f} ({self.confidence:.0%} confidence, no hit)"
        return f"log V = {self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.confidence:.0%})"


@final
@dataclass(frozen=True, slots=True)
class Count:
    """Hits among independent guesses. Counts of disjoint guesses add, so shards and machines combine exactly.

    Args:
        hits: Guesses that were solutions.
        guesses: All guesses, at least as many.

    Raises:
        ValueError: If `hits` does not lie in 0 .. `guesses`.

    >>> Count(1, 10) + Count(2, 30)
    Count(hits=3, guesses=40)
    """

    hits: int
    guesses: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.guesses:
            raise ValueError(f"Count: hits must lie in 0 .. guesses, got {self.hits} of {self.guesses}")

    def __add__(self, other: "Count") -> "Count":
        return Count(self.hits + other.hits, self.guesses + other.guesses)

    def log_volume(self, confidence: float = 0.95) -> LogVolume:
        """The volume that the hits stand for, with the Clopper-Pearson interval: it covers at least as often as it says.

        With no hit there is no estimate, and all of the error goes to the upper end: V <= 1 - (1 - confidence)^(1/guesses).
        Where guessing stopped at a hit, the estimate is high by a factor of about 1 + 1/hits.

        Args:
            confidence: How often the interval covers the volume, in (0, 1).

        Returns:
            Log volume, log(hits / guesses), natural log of a probability, with its interval.

        Raises:
            ValueError: If there were no guesses, or `confidence` is not between 0 and 1.

        Reference: Clopper and Pearson 1934; Chiang et al. 2023, section 6, take the reciprocal of the guesses.

        >>> print(Count(0, 1000).log_volume())
        log V <= -5.812 (95% confidence, no hit)
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
        if self.guesses == 0:
            raise ValueError("a volume needs at least one guess")
        if self.hits == 0:
            bound = math.log(-math.expm1(math.log1p(-confidence) / self.guesses))
            return LogVolume(None, -math.inf, bound, confidence)
        misses, tail = self.guesses - self.hits, (1 - confidence) / 2
        low = float(beta.ppf(tail, self.hits, misses + 1))
        high = float(beta.ppf(1 - tail, self.hits + 1, misses)) if misses else 1.0
        return LogVolume(math.log(self.hits / self.guesses), math.log(low), math.log(high), confidence)
