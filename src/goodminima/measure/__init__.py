"""Numbers about one minimum: distances, norms, margins, robustness. Each works on any net."""

from goodminima.measure.distance import relative_distance
from goodminima.measure.folding import fold_batch_norm
from goodminima.measure.margin import Margins, logit_margins
from goodminima.measure.norms import frobenius_norm, path_norm
from goodminima.measure.robustness import fgsm_accuracy
from goodminima.measure.spectral import SpectralNorm, spectral_norm_product, spectral_norms

__all__ = [
    "Margins",
    "SpectralNorm",
    "fgsm_accuracy",
    "fold_batch_norm",
    "frobenius_norm",
    "logit_margins",
    "path_norm",
    "relative_distance",
    "spectral_norm_product",
    "spectral_norms",
]
