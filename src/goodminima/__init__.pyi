"""The public names and where they live: what editors complete and checkers read, and what `__init__.py` loads lazily."""

from .landscape import (
    Direction as Direction,
)
from .landscape import (
    Evaluation as Evaluation,
)
from .landscape import (
    Line as Line,
)
from .landscape import (
    Surface as Surface,
)
from .landscape import (
    Trajectory as Trajectory,
)
from .landscape import (
    boundary_distances as boundary_distances,
)
from .landscape import (
    decision_regions as decision_regions,
)
from .landscape import (
    distances as distances,
)
from .landscape import (
    hessian_eigenpairs as hessian_eigenpairs,
)
from .landscape import (
    line as line,
)
from .landscape import (
    parameters_of as parameters_of,
)
from .landscape import (
    pca as pca,
)
from .landscape import (
    plane as plane,
)
from .landscape import (
    random_directions as random_directions,
)
from .landscape import (
    surface as surface,
)
from .landscape import (
    tsne as tsne,
)
from .measure import (
    Margins as Margins,
)
from .measure import (
    SpectralNorm as SpectralNorm,
)
from .measure import (
    fgsm_accuracy as fgsm_accuracy,
)
from .measure import (
    fold_batch_norm as fold_batch_norm,
)
from .measure import (
    frobenius_norm as frobenius_norm,
)
from .measure import (
    logit_margins as logit_margins,
)
from .measure import (
    path_norm as path_norm,
)
from .measure import (
    relative_distance as relative_distance,
)
from .measure import (
    spectral_norm_product as spectral_norm_product,
)
from .measure import (
    spectral_norms as spectral_norms,
)
from .nets import (
    MLP as MLP,
)
from .nets import (
    VGG13 as VGG13,
)
from .nets import (
    VGG16 as VGG16,
)
from .nets import (
    DenseNet40 as DenseNet40,
)
from .nets import (
    LeNet as LeNet,
)
from .nets import (
    LinearModel as LinearModel,
)
from .nets import (
    PixelProducts as PixelProducts,
)
from .nets import (
    ResNet12 as ResNet12,
)
from .nets import (
    ResNet18 as ResNet18,
)
from .nets import (
    ResNet50 as ResNet50,
)
from .nets import (
    SmallConv as SmallConv,
)
from .nets import (
    ThinResNet as ThinResNet,
)
from .population import (
    AbstractPrior as AbstractPrior,
)
from .population import (
    Cube as Cube,
)
from .population import (
    FanOut as FanOut,
)
from .population import (
    Gaussian as Gaussian,
)
from .population import (
    Glorot as Glorot,
)
from .population import (
    Population as Population,
)
from .population import (
    Sphere as Sphere,
)
from .population import (
    TorchDefault as TorchDefault,
)
from .search import (
    Fits as Fits,
)
from .search import (
    Found as Found,
)
from .search import (
    GreedyRule as GreedyRule,
)
from .search import (
    PatternRule as PatternRule,
)
from .search import (
    Searched as Searched,
)
from .search import (
    Status as Status,
)
from .search import (
    Until as Until,
)
from .search import (
    bins as bins,
)
from .search import (
    guess_and_check as guess_and_check,
)
from .search import (
    pattern_search as pattern_search,
)
from .search import (
    random_greedy as random_greedy,
)
from .tasks import (
    DataError as DataError,
)
from .tasks import (
    Episodes as Episodes,
)
from .tasks import (
    Examples as Examples,
)
from .tasks import (
    FreshRolls as FreshRolls,
)
from .tasks import (
    ImageData as ImageData,
)
from .tasks import (
    Task as Task,
)
from .tasks import (
    base_and_novel as base_and_novel,
)
from .tasks import (
    boundary_probe as boundary_probe,
)
from .tasks import (
    class_task as class_task,
)
from .tasks import (
    draw_episodes as draw_episodes,
)
from .tasks import (
    few_shot as few_shot,
)
from .tasks import (
    full_task as full_task,
)
from .tasks import (
    load_images as load_images,
)
from .tasks import (
    rings as rings,
)
from .tasks import (
    slab as slab,
)
from .tasks import (
    swiss_roll as swiss_roll,
)
from .tasks import (
    two_gaussians as two_gaussians,
)
from .tasks import (
    wedge as wedge,
)
from .tasks import (
    with_extra as with_extra,
)
from .train import (
    Constant as Constant,
)
from .train import (
    Cosine as Cosine,
)
from .train import (
    CropFlip as CropFlip,
)
from .train import (
    ExtraBatches as ExtraBatches,
)
from .train import (
    Extractor as Extractor,
)
from .train import (
    Fit as Fit,
)
from .train import (
    LBFGSArmijo as LBFGSArmijo,
)
from .train import (
    MultiStep as MultiStep,
)
from .train import (
    OptimizerConfig as OptimizerConfig,
)
from .train import (
    PatternSearch as PatternSearch,
)
from .train import (
    PoisonedAdamConfig as PoisonedAdamConfig,
)
from .train import (
    PoisonedObjective as PoisonedObjective,
)
from .train import (
    ProxProp as ProxProp,
)
from .train import (
    RandomGreedy as RandomGreedy,
)
from .train import (
    Recipe as Recipe,
)
from .train import (
    SGDConfig as SGDConfig,
)
from .train import (
    TrainedBins as TrainedBins,
)
from .train import (
    adversarial_init as adversarial_init,
)
from .train import (
    fit as fit,
)
from .train import (
    fit_least_squares as fit_least_squares,
)
from .train import (
    fit_softmax as fit_softmax,
)
from .train import (
    fitted as fitted,
)
from .train import (
    poison as poison,
)
from .train import (
    poison_together as poison_together,
)
from .train import (
    poisoned_loss as poisoned_loss,
)
from .train import (
    poisoned_sgd as poisoned_sgd,
)
from .train import (
    pretrain as pretrain,
)
from .train import (
    pretrained_features as pretrained_features,
)
from .train import (
    query_accuracy as query_accuracy,
)
from .train import (
    reverse_cross_entropy as reverse_cross_entropy,
)
from .train import (
    ridge_heads as ridge_heads,
)
from .train import (
    sgd_heads as sgd_heads,
)
from .train import (
    svm_heads as svm_heads,
)
from .train import (
    train_into_bins as train_into_bins,
)
from .train import (
    train_population as train_population,
)
from .volume import (
    Basin as Basin,
)
from .volume import (
    BlockMoves as BlockMoves,
)
from .volume import (
    Count as Count,
)
from .volume import (
    Diagonal as Diagonal,
)
from .volume import (
    Isotropic as Isotropic,
)
from .volume import (
    LogVolume as LogVolume,
)
from .volume import (
    LowRank as LowRank,
)
from .volume import (
    Split as Split,
)
from .volume import (
    basin_volume as basin_volume,
)
from .volume import (
    basin_volume_of as basin_volume_of,
)
from .volume import (
    split_volume as split_volume,
)
from .volume import (
    volume_where as volume_where,
)

__version__: str

__all__ = [
    "MLP",
    "VGG13",
    "VGG16",
    "AbstractPrior",
    "Basin",
    "BlockMoves",
    "Constant",
    "Cosine",
    "Count",
    "CropFlip",
    "Cube",
    "DataError",
    "DenseNet40",
    "Diagonal",
    "Direction",
    "Episodes",
    "Evaluation",
    "Examples",
    "ExtraBatches",
    "Extractor",
    "FanOut",
    "Fit",
    "Fits",
    "Found",
    "FreshRolls",
    "Gaussian",
    "Glorot",
    "GreedyRule",
    "ImageData",
    "Isotropic",
    "LBFGSArmijo",
    "LeNet",
    "Line",
    "LinearModel",
    "LogVolume",
    "LowRank",
    "Margins",
    "MultiStep",
    "OptimizerConfig",
    "PatternRule",
    "PatternSearch",
    "PixelProducts",
    "PoisonedAdamConfig",
    "PoisonedObjective",
    "Population",
    "ProxProp",
    "RandomGreedy",
    "Recipe",
    "ResNet12",
    "ResNet18",
    "ResNet50",
    "SGDConfig",
    "Searched",
    "SmallConv",
    "SpectralNorm",
    "Sphere",
    "Split",
    "Status",
    "Surface",
    "Task",
    "ThinResNet",
    "TorchDefault",
    "TrainedBins",
    "Trajectory",
    "Until",
    "__version__",
    "adversarial_init",
    "base_and_novel",
    "basin_volume",
    "basin_volume_of",
    "bins",
    "boundary_distances",
    "boundary_probe",
    "class_task",
    "decision_regions",
    "distances",
    "draw_episodes",
    "few_shot",
    "fgsm_accuracy",
    "fit",
    "fit_least_squares",
    "fit_softmax",
    "fitted",
    "fold_batch_norm",
    "frobenius_norm",
    "full_task",
    "guess_and_check",
    "hessian_eigenpairs",
    "line",
    "load_images",
    "logit_margins",
    "parameters_of",
    "path_norm",
    "pattern_search",
    "pca",
    "plane",
    "poison",
    "poison_together",
    "poisoned_loss",
    "poisoned_sgd",
    "pretrain",
    "pretrained_features",
    "query_accuracy",
    "random_directions",
    "random_greedy",
    "relative_distance",
    "reverse_cross_entropy",
    "ridge_heads",
    "rings",
    "sgd_heads",
    "slab",
    "spectral_norm_product",
    "spectral_norms",
    "split_volume",
    "surface",
    "svm_heads",
    "swiss_roll",
    "train_into_bins",
    "train_population",
    "tsne",
    "two_gaussians",
    "volume_where",
    "wedge",
    "with_extra",
]
