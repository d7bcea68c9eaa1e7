"""The entries of Chiang et al. 2023, in order."""

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

CHIANG2023: tuple[Experiment, ...] = (
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
)
