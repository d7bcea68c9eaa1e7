"""Ordinary optimizers: the papers' searches, `step(closure)` instead of a backward pass, and two that PyTorch lacks."""

from goodminima.train.optimizers.lbfgs_armijo import LBFGSArmijo
from goodminima.train.optimizers.pattern_search import PatternSearch
from goodminima.train.optimizers.proxprop import ProxProp
from goodminima.train.optimizers.random_greedy import RandomGreedy

__all__ = ["LBFGSArmijo", "PatternSearch", "ProxProp", "RandomGreedy"]
