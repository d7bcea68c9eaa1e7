"""Searches: from a prior to minima without gradients."""

from goodminima.core.status import Status
from goodminima.search.fits import Fits, bins
from goodminima.search.greedy import GreedyRule, random_greedy
from goodminima.search.guessing import Bin, Found, guess_and_check
from goodminima.search.loop import Point, Searched, Trace
from goodminima.search.pattern import PatternRule, pattern_search
from goodminima.search.until import Until

__all__ = [
    "Bin",
    "Fits",
    "Found",
    "GreedyRule",
    "PatternRule",
    "Point",
    "Searched",
    "Status",
    "Trace",
    "Until",
    "bins",
    "guess_and_check",
    "pattern_search",
    "random_greedy",
]
