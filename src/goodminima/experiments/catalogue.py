"""The explicit list of what can be run."""

import difflib

from goodminima.experiments.chiang2023.figure1 import FIGURE1
from goodminima.experiments.chiang2023.figure2 import FIGURE2
from goodminima.experiments.chiang2023.figure8 import FIGURE8
from goodminima.experiments.chiang2023.table1 import TABLE1
from goodminima.experiments.chiang2023.table2 import TABLE2
from goodminima.experiments.chiang2023.table3 import TABLE3
from goodminima.experiments.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (FIGURE1, FIGURE2, TABLE1, TABLE2, TABLE3, FIGURE8)


def find(name: str) -> Experiment:
    """The experiment called `name`.

    Raises:
        ValueError: If there is none; it lists those there are and the nearest.
    """
    by_name = {experiment.name: experiment for experiment in EXPERIMENTS}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
    hint = f" did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"no such experiment: {name!r};{hint} there are {', '.join(by_name)}")
