"""goodminima: why do the minima that training finds generalise, when others that fit the same data do not?

    import goodminima as gm

    task = gm.few_shot(gm.load_images("digits"), num_samples=4, num_classes=2, seed=0)
    found = gm.guess_and_check(gm.LeNet(width=0.5), task, accept=gm.Fits(loss_below=0.6), wanted=10)
    found.log_volume                                       # natural log, with an interval
    found.population().accuracy(task.test.x, task.test.y)  # of the ten solutions

Names are imported when they are first used, so that `import goodminima` costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("goodminima")

_HOMES = {
    "goodminima.landscape": (
        "Direction", "Evaluation", "Line", "Surface", "Trajectory", "boundary_distances", "decision_regions", "distances",
        "hessian_eigenpairs", "line", "parameters_of", "pca", "plane", "random_directions", "surface", "tsne",
    ),
    "goodminima.measure": (
        "Margins", "SpectralNorm", "fgsm_accuracy", "fold_batch_norm", "frobenius_norm", "logit_margins", "path_norm",
        "relative_distance", "spectral_norm_product", "spectral_norms",
    ),
    "goodminima.nets": (
        "DenseNet40", "LeNet", "LinearModel", "MLP", "PixelProducts", "ResNet12", "ResNet18", "ResNet50", "SmallConv",
        "ThinResNet", "VGG13", "VGG16",
    ),
    "goodminima.population": ("AbstractPrior", "Cube", "FanOut", "Gaussian", "Glorot", "Population", "Sphere", "TorchDefault"),
    "goodminima.search": (
        "Fits", "Found", "GreedyRule", "PatternRule", "Searched", "Status", "Until", "bins", "guess_and_check",
        "pattern_search", "random_greedy",
    ),
    "goodminima.tasks": (
        "DataError", "Episodes", "Examples", "FreshRolls", "ImageData", "Task", "base_and_novel", "boundary_probe",
        "draw_episodes", "few_shot", "load_images", "class_task", "rings", "slab", "swiss_roll", "two_gaussians", "wedge",
        "full_task", "with_extra",
    ),
    "goodminima.train": (
        "Constant", "Cosine", "CropFlip", "ExtraBatches", "Extractor", "Fit", "LBFGSArmijo", "OptimizerConfig", "PatternSearch",
        "PoisonedAdamConfig", "PoisonedObjective", "ProxProp", "RandomGreedy", "Recipe", "SGDConfig", "MultiStep", "TrainedBins",
        "adversarial_init", "fit", "fit_least_squares", "fit_softmax", "fitted", "poison", "poison_together", "poisoned_loss",
        "poisoned_sgd", "pretrain", "pretrained_features", "query_accuracy", "reverse_cross_entropy", "ridge_heads", "sgd_heads",
        "svm_heads", "train_population", "train_into_bins",
    ),
    "goodminima.volume": (
        "Basin", "Count", "Diagonal", "Isotropic", "LogVolume", "LowRank", "BlockMoves", "Split", "basin_volume_of",
        "basin_volume", "split_volume", "volume_where",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'goodminima' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
