"""The tables of an experiment: ours beside the paper's, and what the paper states beside what was measured."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from goodminima.experiments.experiment import Cell, Claim, Experiment, Summary
from goodminima.run.origins import told
from goodminima.run.results import Results
from goodminima.run.store import Group

NOTHING = "–"
FAR = 3.0  # combined standard errors from which a difference stands out
NOTES_SHOWN = 3  # different notes told per cell; the rest are counted


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One measure of one row: the lines `ours`, `paper` and, of what compares, `diff`; and whether it stands out as far off."""

    ours: str = ""
    paper: str = ""
    diff: str = ""
    far: bool = False


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The labels of a row, and an entry per column."""

    labels: tuple[str, ...]
    entries: tuple[Entry, ...]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What a table says, apart from how it is shown.

    Args:
        title: Its title, with the source.
        subtitle: Scale, data, seed, device, and how to read an entry.
        labels: Names of the leading columns.
        columns: Names of the measures.
        rows: The rows, in the experiment's order.
        compared: Whether any entry has a printed value, so that there are three lines a row.
        footnotes: What was left out, and what replicates had to say.
        remarks: Where the experiment differs from the paper.
    """

    title: str
    subtitle: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    compared: bool
    footnotes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def tables_of(results: Results) -> tuple[Table, ...]:
    """What there is to show of an experiment: its values, its statements, or both; notes stand under the last."""
    tables = [table for table in (_values(results), _statements(results)) if table.rows]
    footnotes, remarks = tuple(_footnotes(results)), results.experiment.remarks
    last = replace(tables[-1], footnotes=(*tables[-1].footnotes, *footnotes), remarks=remarks)
    return (*tables[:-1], last)


def _values(results: Results) -> Table:
    """The measures, ours beside the paper's; one that is claimed and not printed is left to the statements."""
    experiment = results.experiment
    shown = {
        cell.name: [m for m in cell.measures if m in cell.printed or m not in cell.claims] for cell in results.cells
    }
    cells = [cell for cell in results.cells if shown[cell.name]]
    columns = tuple(dict.fromkeys(measure for cell in cells for measure in shown[cell.name]))
    return Table(
        title=_title(experiment),
        subtitle=f"{described(results.group)}; mean ± standard error (n){', in %' if experiment.percent else ''}",
        labels=tuple(label.replace("_", " ") for label in experiment.row_labels) or ("cell",),
        columns=columns,
        rows=tuple(_row(results, cell, columns) for cell in cells),
        compared=any(cell.printed for cell in cells),
    )


def _statements(results: Results) -> Table:
    """One row per statement: measured, the bound that decides it, and in how many replicates it holds."""
    claims = [(cell, measure) for cell in results.cells for measure in cell.measures if measure in cell.claims]
    rows = tuple(_statement(results, cell, measure) for cell, measure in claims)
    verdicts = [row.entries[-1] for row in rows if row.entries[-1].ours != NOTHING]
    unmeasured = "" if len(verdicts) == len(rows) else f" {len(rows) - len(verdicts)} not measured."
    return Table(
        title=_title(results.experiment),
        subtitle=f"{described(results.group)}; measured: mean ± standard error (replicates)",
        labels=("cell", "statement"),
        columns=("measured", "bound", "holds"),
        rows=rows,
        compared=False,
        footnotes=(f"{sum(not entry.far for entry in verdicts)} of {len(verdicts)} statements hold.{unmeasured}",),
    )


def _statement(results: Results, cell: Cell, measure: str) -> Row:
    percent, claim = results.experiment.percent, cell.claims[measure]
    summary = results.summary(cell, measure)
    held, ran = results.holding(cell, measure), summary.replicates
    verdict = NOTHING if not ran else f"{'yes' if held == ran else 'no'} ({held} of {ran})"
    entries = (
        Entry(ours=_ours(summary, percent=percent)),
        Entry(ours=_bound(claim, percent=percent)),
        Entry(ours=verdict, far=held != ran),
    )
    return Row(labels=(cell.name, claim.statement), entries=entries)


def _bound(claim: Claim, *, percent: bool) -> str:
    """`< 0.005`, `> 2`, `0.99 to 1.01`."""
    low, high = (_spread(edge, None, percent=percent) for edge in (claim.above, claim.below))
    if math.isinf(claim.above):
        return f"< {high}"
    return f"> {low}" if math.isinf(claim.below) else f"{low} to {high}"


def _title(experiment: Experiment) -> str:
    return f"{experiment.name}: {experiment.title} [{experiment.source}]"


def described(group: Group) -> str:
    """`laptop, mnist, seed 0, cpu`; a folder goes by its own name."""
    data = [_data_of(group)] if group.data else []
    return ", ".join([f"scale {group.scale}", *data, f"seed {group.seed}", group.device])


def _data_of(group: Group) -> str:
    return Path(group.data).name if Path(group.data).is_absolute() else group.data


def _row(results: Results, cell: Cell, columns: Sequence[str]) -> Row:
    chosen = results.experiment.row_labels
    labels = tuple(str(getattr(cell.settings, label)) for label in chosen) if chosen else (cell.name,)
    percent = results.experiment.percent
    entries = (
        _entry(results.summary(cell, column), percent=percent) if column in cell.measures else Entry()
        for column in columns
    )
    return Row(labels=labels, entries=tuple(entries))


def _entry(summary: Summary, *, percent: bool) -> Entry:
    printed, difference = summary.printed, summary.difference
    if printed is None:
        return Entry(ours=_ours(summary, percent=percent))
    return Entry(
        ours=_ours(summary, percent=percent),
        paper=_spread(printed.mean, printed.standard_error, percent=percent),
        diff=_diff(difference) if summary.comparable else "",
        far=difference is not None and abs(difference) > FAR,
    )


def _diff(difference: float | None) -> str:
    return NOTHING if difference is None else f"{round(difference, 1) + 0.0:+.1f}σ"  # + 0.0: never -0.0


def _ours(summary: Summary, *, percent: bool) -> str:
    if summary.replicates == 0:
        return NOTHING
    n = f"{summary.n}" if summary.n == summary.replicates else f"{summary.n} of {summary.replicates}"
    if summary.mean is None:
        return f"{NOTHING} ({n})"
    return f"{_spread(summary.mean, summary.standard_error, percent=percent)} ({n})"


def _spread(mean: float, error: float | None, *, percent: bool) -> str:
    if percent:
        return f"{100 * mean:.1f}" + ("" if error is None else f"±{100 * error:.1f}")
    return f"{mean:.4g}" + ("" if error is None else f"±{error:.2g}")


def _footnotes(results: Results) -> Iterator[str]:
    if not results.comparable and any(cell.printed for cell in results.cells):
        yield _why_no_differences(results)
    for cell in results.cells:
        yield from _left_out(results, cell)
        yield from _notes(results, cell)
    if results.outdated:
        yield f"{results.outdated} stored replicates were made with other settings than today's and have no part here."
    if origins := told(results.origins()):
        yield origins


def _why_no_differences(results: Results) -> str:
    experiment, group = results.experiment, results.group
    reasons = []
    if not results.has_paper_data:
        reasons.append(f"they are for {' or '.join(experiment.paper_data) or 'other data'}, not for {_data_of(group)}")
    if not experiment.is_as_large_as_the_papers(group.scale):
        reasons.append(f"scale {group.scale} runs less than the paper did")
    return f"The paper's values stand here for orientation, without differences: {'; '.join(reasons)}."


def _left_out(results: Results, cell: Cell) -> Iterator[str]:
    """The line that says which values of a cell are means over only those replicates that found one."""
    summaries = {measure: results.summary(cell, measure) for measure in cell.measures}
    gaps = {measure: summary for measure, summary in summaries.items() if summary.n < summary.replicates}
    if gaps:
        told = ", ".join(f"{gap.replicates - gap.n} of {gap.replicates} in {measure}" for measure, gap in gaps.items())
        is_biased = any(gap.n for gap in gaps.values())
        bias = "; leaving them out biases the mean upwards" if is_biased else ""
        yield f"{cell.name}: replicates that found none: {told}{bias}."


def _notes(results: Results, cell: Cell) -> Iterator[str]:
    outcomes = results.outcomes(cell.name)
    noted = Counter(outcome.note for outcome in outcomes if outcome.note)
    for note, times in noted.most_common(NOTES_SHOWN):
        yield f"{cell.name}: {times} of {len(outcomes)} replicates: {note}"
    if len(noted) > NOTES_SHOWN:
        rest = noted.total() - sum(times for _, times in noted.most_common(NOTES_SHOWN))
        yield f"{cell.name}: {rest} of {len(outcomes)} replicates: other notes"
