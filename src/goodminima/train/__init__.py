"""Training: from a start to minima with gradients."""

from goodminima.train.into_bins import Frozen, Trained, train_into_bins
from goodminima.train.optimizers import PatternSearch, RandomGreedy
from goodminima.train.poison import Poisoned, poison, poisoned_sgd
from goodminima.train.sgd import SGD, train

__all__ = [
    "SGD",
    "Frozen",
    "PatternSearch",
    "Poisoned",
    "RandomGreedy",
    "Trained",
    "poison",
    "poisoned_sgd",
    "train",
    "train_into_bins",
]
