"""What an experiment is: one table or figure of a paper, declared as data."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, final

import numpy as np

from goodminima.core.progress import Callback, no_callback
from goodminima.experiments.settings import Settings

SMOKE = "smoke"
SCALES = (SMOKE, "laptop", "paper")
SettingsT_co = TypeVar("SettingsT_co", bound=Settings, covariant=True)
OtherT = TypeVar("OtherT", bound=Settings)
_NONE: Any = Settings()


@final
@dataclass(frozen=True, slots=True)
class Printed:
    """A value as a paper prints it; `standard_error` is None where the paper gives none."""

    mean: float
    standard_error: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a paper states about a measured value, with the bound that decides whether it holds: above < value < below.

    >>> claim = Claim("the margin gap closes", below=5e-3)
    >>> claim.holds(1e-3), claim.holds(1e-2), claim.holds(None)
    (True, False, False)
    """

    statement: str
    above: float = -math.inf
    below: float = math.inf

    def __post_init__(self) -> None:
        if not self.above < self.below or (math.isinf(self.above) and math.isinf(self.below)):
            raise ValueError(f"Claim {self.statement!r}: nothing decides it: above {self.above}, below {self.below}")

    def holds(self, value: float | None) -> bool:
        """Whether a measured value is within the bound; a missing one is not."""
        return value is not None and self.above < value < self.below


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Cell(Generic[SettingsT_co]):
    """A unit of work whose every replicate fills all its measures: one row of a table, say, with all its loss bins.

    Args:
        name: Unique in the experiment, short, as typed after `--only`: `n=4/gc`.
        settings: What the experiment's function needs to know: sample count, optimizer, ...
        measures: The names of the values that a replicate returns, in the order of the table's columns.
        printed: The paper's value of each measure that it prints.
        claims: What the paper states about a measure; a measure may have a printed value, a claim, both or neither.
    """

    name: str
    settings: SettingsT_co = _NONE
    measures: tuple[str, ...]
    printed: Mapping[str, Printed] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_settings(f"Cell {self.name!r}", self.settings)
        unknown = (set(self.printed) | set(self.claims)) - set(self.measures)
        if unknown:
            raise ValueError(f"Cell {self.name!r}: printed or claimed, but not measured: {sorted(unknown)}")

    def with_settings(self, settings: OtherT) -> "Cell[OtherT]":
        """The same cell with other settings: for an entry that runs another one's cells."""
        return replace(cast(Any, self), settings=settings)


def _check_settings(owner: str, settings: Settings) -> None:
    if not isinstance(settings, Settings):
        raise TypeError(f"{owner}: settings must be Settings, got a {type(settings).__name__}")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Scale(Generic[SettingsT_co]):
    """How much of an experiment runs: `replicates` per cell, and settings that go with the scale.

    Args:
        replicates: Independent replicates a cell.
        settings: Budgets and sizes, read by the experiment's function.
        cells: Names of the cells that this scale runs; None for all.
        replicates_of: Name of a cell -> its own number of replicates: fewer where each takes long.
        comparable: Whether the paper's own net and amount of data are run. Otherwise, and at scale `smoke` in any case, its
            values stand beside ours for their pattern, and a difference in standard errors would say nothing.
    """

    replicates: int
    settings: SettingsT_co = _NONE
    cells: tuple[str, ...] | None = None
    replicates_of: Mapping[str, int] = field(default_factory=dict)
    comparable: bool = True

    def __post_init__(self) -> None:
        _check_settings("Scale", self.settings)
        least = min([self.replicates, *self.replicates_of.values()])
        if least < 1:
            raise ValueError(f"Scale: replicates must be at least 1, got {least}")

    def count(self, cell: str) -> int:
        """How many replicates a cell takes."""
        return self.replicates_of.get(cell, self.replicates)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Context(Generic[SettingsT_co]):
    """What one replicate may depend on, and nothing else may enter its numbers.

    Args:
        experiment: Name of the experiment.
        scale_settings: `Scale.settings` of the chosen scale.
        replicate: Number of the replicate, from 0.
        seed: The run's seed.
        data: Name or folder of an image data set; None for experiments on toy data.
        device: Where tensors live.
        callback: Called now and then with a `Progress`.
        trainings: A folder for trainings that several entries share (`experiments.kept`), or None to keep none.
    """

    experiment: str
    scale_settings: SettingsT_co
    replicate: int
    seed: int
    data: str | None
    device: str = "cpu"
    callback: Callback = no_callback
    trainings: Path | None = None

    def with_settings(self, scale_settings: OtherT) -> "Context[OtherT]":
        """The same replicate at a scale of other settings: for an entry that runs another one's cells."""
        return replace(cast(Any, self), scale_settings=scale_settings)

    def key(self, *words: str | int) -> int:
        """A 63-bit seed that depends on the run's seed, the replicate and `words`, and on nothing else.

        >>> context = Context(experiment="e", scale_settings=Settings(), replicate=3, seed=0, data=None)
        >>> context.key("task") == context.key("task"), context.key("task") == context.key("net")
        (True, False)
        """
        entropy = [self.seed, self.replicate, *(_as_integer(word) for word in words)]
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def _as_integer(word: str | int) -> int:
    return word if isinstance(word, int) else int.from_bytes(word.encode(), "big")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one replicate found.

    Args:
        values: Measure -> its value, or None where this replicate found nothing to measure (counted, never dropped).
        errors: Measure -> standard error of its value, where the replicate itself averaged over many (episodes, rays).
        counts: Integers worth keeping: guesses, hits per bin, members trained. Adding two replicates' counts is valid.
        arrays: What the picture needs: small float arrays, stored as safetensors.
        note: One line on anything unusual: a budget that ended first.
    """

    values: Mapping[str, float | None]
    errors: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    note: str = ""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One table or figure of a paper.

    Args:
        name: `paper/entry`, as typed on the command line.
        title: What a reader sees above the table.
        claim: What the paper concludes from it, in one sentence of ours.
        source: Authors, year, table or figure.
        cells: The units of work, in the order of the table.
        scales: `smoke`, `laptop`, `paper` -> Scale.
        run_cell: Runs one replicate of one cell. Pure: everything it needs is in its arguments.
        data: Default data set, or None for toy experiments, which take no `--data`.
        paper_data: Names of the data sets that the paper's values are for; none where it prints none, or is on toy data.
        percent: Whether values are fractions to be shown as per cent.
        row_labels: Names of the cells' settings that label a row of the table, in order; an underscore reads as a space.
        picture: Name of the drawing function in `report.figures`, or None.
        remarks: Where ours differs from the paper; printed under the table.
    """

    name: str
    title: str
    claim: str
    source: str
    cells: tuple[Cell, ...]
    scales: Mapping[str, Scale]
    run_cell: Callable[[Cell, Context], Outcome]
    data: str | None = None
    paper_data: tuple[str, ...] = ()
    percent: bool = True
    row_labels: tuple[str, ...] = ()
    picture: str | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [cell.name for cell in self.cells]
        if len(set(names)) != len(names):
            raise ValueError(f"Experiment {self.name!r}: two cells share a name: {names}")
        if set(self.scales) != set(SCALES):
            raise ValueError(f"Experiment {self.name!r}: scales must be {SCALES}, got {tuple(self.scales)}")
        if self.paper_data and self.data is None:
            raise ValueError(f"Experiment {self.name!r}: on toy data, yet the paper's are {self.paper_data}")
        for scale in self.scales.values():
            unknown = (set(scale.cells or ()) | set(scale.replicates_of)) - set(names)
            if unknown:
                raise ValueError(f"Experiment {self.name!r}: a scale names cells that do not exist: {sorted(unknown)}")
        self._check_labels()
        self._check_scales()

    def _check_labels(self) -> None:
        for cell in self.cells:
            known = [each.name for each in fields(cell.settings)]
            unknown = [label for label in self.row_labels if label not in known]
            if unknown:
                raise ValueError(
                    f"Experiment {self.name!r}: rows are labelled by {', '.join(map(repr, unknown))}, which cell "
                    f"{cell.name!r} does not set; it sets {', '.join(known) or 'nothing'}"
                )

    def _check_scales(self) -> None:
        for name, scale in self.scales.items():
            for cell in self.cells_at(name):
                try:
                    scale.settings.check_cell(cell.settings)
                except ValueError as error:
                    raise ValueError(
                        f"Experiment {self.name!r}: scale {name!r} cannot run cell {cell.name!r}: {error}"
                    ) from error

    def cells_at(self, scale: str) -> tuple[Cell, ...]:
        """The cells that a scale runs, in table order."""
        chosen = self.scales[scale].cells
        return self.cells if chosen is None else tuple(cell for cell in self.cells if cell.name in chosen)

    def is_as_large_as_the_papers(self, scale: str) -> bool:
        """Whether a scale runs the paper's own net and amount of data; smoke shows only that everything works."""
        return scale != SMOKE and self.scales[scale].comparable


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One measure of one cell over its replicates, beside the paper's value.

    `n` counts replicates with a value, `replicates` all that ran; the gap between them is what was left out. `comparable` says
    whether what was run is what the paper ran.
    """

    n: int
    replicates: int
    mean: float | None
    standard_error: float | None
    printed: Printed | None
    comparable: bool = True

    @property
    def difference(self) -> float | None:
        """(ours - paper's) in combined standard errors; a value printed without one is taken as exact.

        None where either side has no mean, or ours no spread, or where the two are not of the same thing.
        """
        if not self.comparable or self.mean is None or self.standard_error is None or self.printed is None:
            return None
        combined = math.hypot(self.standard_error, self.printed.standard_error or 0.0)
        return (self.mean - self.printed.mean) / combined if combined > 0 else None


def summarise(
    values: Sequence[float | None],
    printed: Printed | None = None,
    *,
    within: float | None = None,
    comparable: bool = True,
) -> Summary:
    """Mean and standard error over replicates; a replicate without a value is counted but has no part in the mean.

    A single replicate has no spread; `within`, its own standard error where it has one, stands in.

    >>> summary = summarise([0.5, 0.7, None], Printed(0.65, 0.05))
    >>> summary.n, summary.replicates, round(summary.mean, 3), round(summary.standard_error, 3)
    (2, 3, 0.6, 0.1)
    >>> round(summary.difference, 2)
    -0.45
    """
    seen = np.array([value for value in values if value is not None], dtype=np.float64)
    mean = float(seen.mean()) if len(seen) else None
    error = float(seen.std(ddof=1) / math.sqrt(len(seen))) if len(seen) > 1 else within
    return Summary(
        n=len(seen),
        replicates=len(values),
        mean=mean,
        standard_error=error,
        printed=printed,
        comparable=comparable,
    )
