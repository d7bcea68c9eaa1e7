"""Training: from a start to minima with gradients."""

from goodminima.train.features import Extractor, Features, pretrained_features
from goodminima.train.fit import Fit, fit
from goodminima.train.heads import query_accuracy, ridge_heads, sgd_heads, svm_heads
from goodminima.train.into_bins import Frozen, Trained, train_into_bins
from goodminima.train.optimizers import LBFGSArmijo, PatternSearch, ProxProp, RandomGreedy
from goodminima.train.poison import Poisoned, poison, poisoned_sgd
from goodminima.train.pretrain import Pretrained, Recipe, pretrain
from goodminima.train.reverse import poisoned_loss, reverse_cross_entropy
from goodminima.train.sgd import SGD, train

__all__ = [
    "SGD",
    "Extractor",
    "Features",
    "Fit",
    "Frozen",
    "LBFGSArmijo",
    "PatternSearch",
    "Poisoned",
    "Pretrained",
    "ProxProp",
    "RandomGreedy",
    "Recipe",
    "Trained",
    "fit",
    "poison",
    "poisoned_loss",
    "poisoned_sgd",
    "pretrain",
    "pretrained_features",
    "query_accuracy",
    "reverse_cross_entropy",
    "ridge_heads",
    "sgd_heads",
    "svm_heads",
    "train",
    "train_into_bins",
]
