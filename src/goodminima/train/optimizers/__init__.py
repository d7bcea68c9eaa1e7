"""The paper's searches as ordinary optimisers: `step(closure)` instead of a backward pass."""

from goodminima.train.optimizers.pattern_search import PatternSearch
from goodminima.train.optimizers.random_greedy import RandomGreedy

__all__ = ["PatternSearch", "RandomGreedy"]
