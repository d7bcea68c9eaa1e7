"""The entries of Huang et al. 2020, in order."""

from goodminima.experiments.experiment import Experiment
from goodminima.experiments.huang2020.figure1 import FIGURE1
from goodminima.experiments.huang2020.figure2 import FIGURE2
from goodminima.experiments.huang2020.figure3 import FIGURE3
from goodminima.experiments.huang2020.figure4 import FIGURE4
from goodminima.experiments.huang2020.figure5 import FIGURE5
from goodminima.experiments.huang2020.figure5_svhn import FIGURE5_SVHN
from goodminima.experiments.huang2020.figure6 import FIGURE6
from goodminima.experiments.huang2020.figure7 import FIGURE7
from goodminima.experiments.huang2020.figure8 import FIGURE8
from goodminima.experiments.huang2020.linear_vs_resnet import LINEAR_VS_RESNET
from goodminima.experiments.huang2020.table1 import TABLE1

HUANG2020: tuple[Experiment, ...] = (
    FIGURE1,
    FIGURE2,
    FIGURE3,
    FIGURE4,
    FIGURE5,
    FIGURE5_SVHN,
    FIGURE6,
    FIGURE7,
    FIGURE8,
    LINEAR_VS_RESNET,
    TABLE1,
)
