"""The entries of Liu et al. 2020: on CIFAR-10 as in the text, then what the appendix has for each of the other data sets."""

from goodminima.experiments.experiment import Experiment
from goodminima.experiments.liu2020.curves import FIGURE2, FIGURE3
from goodminima.experiments.liu2020.figure1 import FIGURE1
from goodminima.experiments.liu2020.figure4 import FIGURE4
from goodminima.experiments.liu2020.figure5 import FIGURE5
from goodminima.experiments.liu2020.figure6 import FIGURE6
from goodminima.experiments.liu2020.per_net import DATA
from goodminima.experiments.liu2020.table1 import TABLE1
from goodminima.experiments.liu2020.table2 import TABLE2

_TEXT = "cifar10"
_BY_DATA = (TABLE1, FIGURE2, FIGURE3, FIGURE5, FIGURE6)

LIU2020: tuple[Experiment, ...] = (
    FIGURE1,
    TABLE2,
    *(entry[_TEXT] for entry in _BY_DATA),
    FIGURE4,
    *(entry[data] for data in DATA if data != _TEXT for entry in _BY_DATA),
)
