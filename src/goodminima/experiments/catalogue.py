"""The explicit list of what can be run."""

import difflib
from collections.abc import Iterable

from goodminima.experiments.chiang2023.figure1 import FIGURE1
from goodminima.experiments.chiang2023.figure2 import FIGURE2
from goodminima.experiments.chiang2023.figure3 import FIGURE3
from goodminima.experiments.chiang2023.figure8 import FIGURE8
from goodminima.experiments.chiang2023.table1 import TABLE1
from goodminima.experiments.chiang2023.table2 import TABLE2
from goodminima.experiments.chiang2023.table3 import TABLE3
from goodminima.experiments.chiang2023.table4 import TABLE4, TABLE4_CIFAR10
from goodminima.experiments.chiang2023.table5 import TABLE5, TABLE5_MINI_IMAGENET
from goodminima.experiments.chiang2023.table6 import TABLE6
from goodminima.experiments.chiang2023.table7 import TABLE7
from goodminima.experiments.chiang2023.table8 import TABLE8
from goodminima.experiments.experiment import Experiment
from goodminima.experiments.huang2020.figure1 import FIGURE1 as HUANG_FIGURE1
from goodminima.experiments.huang2020.figure2 import FIGURE2 as HUANG_FIGURE2
from goodminima.experiments.huang2020.figure3 import FIGURE3 as HUANG_FIGURE3
from goodminima.experiments.huang2020.figure4 import FIGURE4 as HUANG_FIGURE4
from goodminima.experiments.huang2020.figure5 import FIGURE5 as HUANG_FIGURE5
from goodminima.experiments.huang2020.figure5_svhn import FIGURE5_SVHN as HUANG_FIGURE5_SVHN
from goodminima.experiments.huang2020.figure6 import FIGURE6 as HUANG_FIGURE6
from goodminima.experiments.huang2020.figure7 import FIGURE7 as HUANG_FIGURE7
from goodminima.experiments.huang2020.figure8 import FIGURE8 as HUANG_FIGURE8
from goodminima.experiments.huang2020.linear_vs_resnet import LINEAR_VS_RESNET
from goodminima.experiments.huang2020.table1 import TABLE1 as HUANG_TABLE1
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
from goodminima.experiments.volume.beyond_guessing import BEYOND_GUESSING

EXPERIMENTS: tuple[Experiment, ...] = (
    FIGURE1,
    FIGURE2,
    FIGURE3,
    TABLE1,
    TABLE2,
    TABLE3,
    TABLE4,
    TABLE4_CIFAR10,
    TABLE5,
    TABLE5_MINI_IMAGENET,
    TABLE6,
    TABLE7,
    TABLE8,
    FIGURE8,
    BEYOND_GUESSING,
    HUANG_FIGURE1,
    HUANG_FIGURE3,
    HUANG_FIGURE4,
    HUANG_FIGURE5,
    HUANG_FIGURE5_SVHN,
    HUANG_FIGURE6,
    HUANG_FIGURE7,
    HUANG_FIGURE8,
    LINEAR_VS_RESNET,
    HUANG_FIGURE2,
    HUANG_TABLE1,
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


def find(name: str) -> Experiment:
    """The experiment called `name`.

    Raises:
        ValueError: If there is none; it lists those there are and the nearest.
    """
    by_name = {experiment.name: experiment for experiment in EXPERIMENTS}
    if name not in by_name:
        raise ValueError(_no_such("experiment", name, by_name))
    return by_name[name]


def of_paper(paper: str) -> tuple[Experiment, ...]:
    """The experiments of a paper, `chiang2023` say, in order.

    Raises:
        ValueError: If there are none; it lists the papers there are and the nearest.
    """
    found = tuple(experiment for experiment in EXPERIMENTS if experiment.name.split("/")[0] == paper)
    if not found:
        raise ValueError(_no_such("paper", paper, dict.fromkeys(each.name.split("/")[0] for each in EXPERIMENTS)))
    return found


def _no_such(kind: str, name: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, choices := list(choices), n=1, cutoff=0.5)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"no such {kind}: {name!r};{hint} there are {', '.join(choices)}"
