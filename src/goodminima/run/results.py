"""What a store knows about one experiment: the input of tables, records and pictures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from goodminima.experiments.experiment import Cell, Experiment, Outcome, Summary, summarise
from goodminima.run.origins import Origin, origins_of
from goodminima.run.provenance import configuration, hash_of
from goodminima.run.request import data_set
from goodminima.run.store import Group, Identity, Replicate, Store


def identity_of(experiment: Experiment, cell: Cell, *, group: Group, replicate: int) -> Identity:
    """The identity that a replicate has under the experiment's present settings."""
    settings = experiment.scales[group.scale].settings
    return Identity(
        experiment=group.experiment,
        scale=group.scale,
        cell=cell.name,
        replicate=replicate,
        data=group.data,
        seed=group.seed,
        config_hash=hash_of(configuration(cell, settings, device=group.device)),
    )


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """The stored replicates of one experiment at one scale, on one data set, seed and device.

    Args:
        experiment: The experiment.
        group: Scale, data, seed and device.
        replicates: Name of each cell of the scale, in table order -> its replicates, in replicate order.
        outdated: How many replicates were left out because they were made with other settings than today's.
    """

    experiment: Experiment
    group: Group
    replicates: Mapping[str, tuple[Replicate, ...]]
    outdated: int = 0

    @property
    def has_paper_data(self) -> bool:
        """Whether the data are those of the paper: its own toy data, or of a data set that it names."""
        return not self.group.data or data_set(self.group.data) in map(data_set, self.experiment.paper_data)

    @property
    def comparable(self) -> bool:
        """Whether what was run is what the paper ran, so that a difference from its values says something."""
        return self.has_paper_data and self.experiment.is_as_large_as_the_papers(self.group.scale)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the scale, in table order."""
        return self.experiment.cells_at(self.group.scale)

    def outcomes(self, cell: str) -> tuple[Outcome, ...]:
        """The outcomes of a cell in replicate order."""
        return tuple(replicate.outcome for replicate in self.replicates[cell])

    def summary(self, cell: Cell, measure: str) -> Summary:
        """One measure of one cell over the replicates that were asked for it, beside the paper's value."""
        asked = [outcome for outcome in self.outcomes(cell.name) if measure in outcome.values]
        within = asked[0].errors.get(measure) if len(asked) == 1 else None
        return summarise(
            [outcome.values[measure] for outcome in asked],
            cell.printed.get(measure),
            within=within,
            comparable=self.comparable,
        )

    def holding(self, cell: Cell, measure: str) -> int | None:
        """In how many replicates what is claimed of a measure holds; None if nothing is claimed."""
        claim = cell.claims.get(measure)
        if claim is None:
            return None
        return sum(
            claim.holds(outcome.values[measure]) for outcome in self.outcomes(cell.name) if measure in outcome.values
        )

    def origins(self, cell: str | None = None) -> Counter[Origin]:
        """How many replicates each source and set of versions made: of one cell, or of all."""
        return origins_of(self.all_replicates() if cell is None else self.replicates[cell])

    def all_replicates(self) -> list[Replicate]:
        """Every replicate, cell by cell."""
        return [replicate for cell in self.cells for replicate in self.replicates[cell.name]]


def load_results(store: Store, experiment: Experiment, *, group: Group) -> Results:
    """Reads from the store what belongs to the experiment as it is declared today."""
    cells = experiment.cells_at(group.scale)
    expected = {cell.name: identity_of(experiment, cell, group=group, replicate=0).config_hash for cell in cells}
    rows = store.rows(group)
    current = [row for row in rows if expected.get(row.identity.cell) == row.identity.config_hash]
    by_cell = {cell.name: tuple(row for row in current if row.identity.cell == cell.name) for cell in cells}
    return Results(experiment=experiment, group=group, replicates=by_cell, outdated=len(rows) - len(current))


def empty_results(experiment: Experiment, *, group: Group) -> Results:
    """The results of an experiment that was never run."""
    return Results(
        experiment=experiment, group=group, replicates={cell.name: () for cell in experiment.cells_at(group.scale)}
    )
