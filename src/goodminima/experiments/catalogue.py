"""The explicit list of what can be run, paper by paper."""

import difflib
from collections.abc import Iterable

from goodminima.experiments.chiang2023.entries import CHIANG2023
from goodminima.experiments.experiment import Experiment
from goodminima.experiments.huang2020.entries import HUANG2020
from goodminima.experiments.implicit_bias.entries import IMPLICIT_BIAS
from goodminima.experiments.liu2020.entries import LIU2020
from goodminima.experiments.volume.beyond_guessing import BEYOND_GUESSING

EXPERIMENTS: tuple[Experiment, ...] = (*CHIANG2023, BEYOND_GUESSING, *LIU2020, *HUANG2020, *IMPLICIT_BIAS)


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
