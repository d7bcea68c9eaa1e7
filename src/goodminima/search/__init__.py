"""Searches: from a prior to minima without gradients."""

from goodminima.search.descent import Point, Searched, Trace
from goodminima.search.fits import Fits, Status, bins
from goodminima.search.guess_and_check import Bin, Found, guess_and_check
from goodminima.search.pattern_search import PatternRule, pattern_search
from goodminima.search.random_greedy import GreedyRule, random_greedy
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
