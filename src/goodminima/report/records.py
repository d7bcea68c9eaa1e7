"""Results as records for other programs: one per measure of each cell."""

import math
from collections.abc import Iterable
from typing import Any

from goodminima.experiments.experiment import SCALES, Cell, Claim, Experiment
from goodminima.run.origins import MATTERING, Origin
from goodminima.run.request import group_of
from goodminima.run.results import Results, empty_results, load_results
from goodminima.run.store import Store

Record = dict[str, Any]


def records_of(results: Results) -> list[Record]:
    """One record per measure of each cell, in the table's order.

    Means and standard errors are fractions where the table shows per cent. `n` counts the replicates with a value,
    `replicates` all; `difference` is (ours - paper's) in combined standard errors, and None unless data, net and size are
    those of the paper, hence `comparable`; `holding` counts the replicates in which above < value < below, so that the
    `statement` holds; `origins` counts the cell's replicates by what made them: revision of the source (`+dirty`: with
    uncommitted changes), torch, numpy, compiled kernel. What there is not, is None.
    """
    return [_record(results, cell, measure) for cell in results.cells for measure in cell.measures]


def _record(results: Results, cell: Cell, measure: str) -> Record:
    summary = results.summary(cell, measure)
    group, printed = results.group, summary.printed
    return {
        "experiment": group.experiment,
        "scale": group.scale,
        "cell": {"name": cell.name, **cell.settings.as_record()},
        "measure": measure,
        "mean": summary.mean,
        "standard_error": summary.standard_error,
        "n": summary.n,
        "replicates": summary.replicates,
        "paper_mean": printed.mean if printed else None,
        "paper_standard_error": printed.standard_error if printed else None,
        "comparable": summary.comparable,
        "difference": summary.difference,
        **_claimed(cell.claims.get(measure)),
        "holding": results.holding(cell, measure),
        "data": group.data or None,
        "seed": group.seed,
        "device": group.device,
        "origins": [_origin(origin, count) for origin, count in results.origins(cell.name).most_common()],
    }


def _origin(origin: Origin, count: int) -> Record:
    versions = zip(MATTERING, origin.versions, strict=True)
    facts = {"revision": origin.revision, **dict(versions)}
    return {"replicates": count} | {name: fact or None for name, fact in facts.items()}


def _claimed(claim: Claim | None) -> Record:
    """A statement and its bounds; JSON has no infinity."""
    if claim is None:
        return {"statement": None, "above": None, "below": None}
    above, below = (edge if math.isfinite(edge) else None for edge in (claim.above, claim.below))
    return {"statement": claim.statement, "above": above, "below": below}


def catalogue_records(experiments: Iterable[Experiment], store: Store | None) -> list[Record]:
    """Records of every experiment at every scale: as stored, once per data, seed and device, or else empty."""
    groups = store.groups() if store else []
    found: list[Record] = []
    for experiment in experiments:
        for scale in SCALES:
            stored = [group for group in groups if (group.experiment, group.scale) == (experiment.name, scale)]
            if store and stored:
                for group in stored:
                    found += records_of(load_results(store, experiment, group=group))
            else:
                found += records_of(empty_results(experiment, group=group_of(experiment, scale=scale)))
    return found
