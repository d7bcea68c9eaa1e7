"""Training: from a start to minima with gradients."""

from goodminima.train.adversarial import adversarial_init
from goodminima.train.batch_norm import with_statistics_of
from goodminima.train.dual import DualFit, DualModel, fit_least_squares, fit_softmax
from goodminima.train.few_shot.features import Extractor, Features, pretrained_features
from goodminima.train.few_shot.heads import query_accuracy, ridge_heads, sgd_heads, svm_heads
from goodminima.train.few_shot.pretrain import Pretrained, pretrain
from goodminima.train.fitting import Fit, fit
from goodminima.train.into_bins import BinMembers, TrainedBins, train_into_bins
from goodminima.train.optimizers import LBFGSArmijo, PatternSearch, ProxProp, RandomGreedy
from goodminima.train.poisoned.labels import Poisoned, poison, poisoned_sgd
from goodminima.train.poisoned.objective import ExtraBatches, PoisonedObjective
from goodminima.train.poisoned.reverse import poisoned_loss, reverse_cross_entropy
from goodminima.train.poisoned.together import PoisonedAdamConfig, poison_together
from goodminima.train.recipe import Constant, Cosine, CropFlip, MultiStep, OptimizerConfig, Recipe
from goodminima.train.sgd import SGDConfig, train_population
from goodminima.train.training import Epoch, fitted

__all__ = [
    "BinMembers",
    "Constant",
    "Cosine",
    "CropFlip",
    "DualFit",
    "DualModel",
    "Epoch",
    "ExtraBatches",
    "Extractor",
    "Features",
    "Fit",
    "LBFGSArmijo",
    "MultiStep",
    "OptimizerConfig",
    "PatternSearch",
    "Poisoned",
    "PoisonedAdamConfig",
    "PoisonedObjective",
    "Pretrained",
    "ProxProp",
    "RandomGreedy",
    "Recipe",
    "SGDConfig",
    "TrainedBins",
    "adversarial_init",
    "fit",
    "fit_least_squares",
    "fit_softmax",
    "fitted",
    "poison",
    "poison_together",
    "poisoned_loss",
    "poisoned_sgd",
    "pretrain",
    "pretrained_features",
    "query_accuracy",
    "reverse_cross_entropy",
    "ridge_heads",
    "sgd_heads",
    "svm_heads",
    "train_into_bins",
    "train_population",
    "with_statistics_of",
]
