"""The entries of the implicit-bias programme, in order."""

from goodminima.experiments.experiment import Experiment
from goodminima.experiments.implicit_bias.diagonal_networks import DIAGONAL_NETWORKS
from goodminima.experiments.implicit_bias.early_stopping import EARLY_STOPPING
from goodminima.experiments.implicit_bias.homogeneous_networks import HOMOGENEOUS_NETWORKS
from goodminima.experiments.implicit_bias.infinite_width import INFINITE_WIDTH
from goodminima.experiments.implicit_bias.linear_networks import LINEAR_NETWORKS
from goodminima.experiments.implicit_bias.logistic_regression import LOGISTIC_REGRESSION
from goodminima.experiments.implicit_bias.margin_rates import MARGIN_RATES
from goodminima.experiments.implicit_bias.mirror_descent import MIRROR_DESCENT
from goodminima.experiments.implicit_bias.non_separable import NON_SEPARABLE
from goodminima.experiments.implicit_bias.random_labels import RANDOM_LABELS
from goodminima.experiments.implicit_bias.steepest_descent import STEEPEST_DESCENT

IMPLICIT_BIAS: tuple[Experiment, ...] = (
    LOGISTIC_REGRESSION,
    MARGIN_RATES,
    NON_SEPARABLE,
    STEEPEST_DESCENT,
    MIRROR_DESCENT,
    LINEAR_NETWORKS,
    HOMOGENEOUS_NETWORKS,
    INFINITE_WIDTH,
    DIAGONAL_NETWORKS,
    EARLY_STOPPING,
    RANDOM_LABELS,
)
