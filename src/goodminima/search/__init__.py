"""Searches: from a prior to minima without gradients."""

from goodminima.search.fits import Fits, Status, bins
from goodminima.search.guess_and_check import Bin, Found, guess_and_check

__all__ = ["Bin", "Fits", "Found", "Status", "bins", "guess_and_check"]
