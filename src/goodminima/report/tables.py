"""The table of an experiment: ours beside the paper's, in the terminal and in Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from goodminima.experiments.experiment import Cell, Summary
from goodminima.run.results import Results
from goodminima.run.store import Group

NOTHING = "–"
FAR = 3.0  # combined standard errors from which a difference stands out
NOTES_SHOWN = 3  # different notes told per cell; the rest are counted


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One measure of one row: the lines `ours`, `paper` and `diff`, and whether they differ by much."""

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
    footnotes: tuple[str, ...]
    remarks: tuple[str, ...]


def table_of(results: Results) -> Table:
    """The table of an experiment's results."""
    experiment = results.experiment
    columns = tuple(dict.fromkeys(measure for cell in results.cells for measure in cell.measures))
    labels = experiment.row_labels or ("cell",)
    return Table(
        title=f"{experiment.name}: {experiment.title} [{experiment.source}]",
        subtitle=f"{described(results.group)}; mean ± standard error (n){', in %' if experiment.percent else ''}",
        labels=labels,
        columns=columns,
        rows=tuple(_row(results, cell, columns) for cell in results.cells),
        compared=any(cell.printed for cell in results.cells),
        footnotes=tuple(_footnotes(results)),
        remarks=experiment.remarks,
    )


def described(group: Group) -> str:
    """`laptop, mnist, seed 0, cpu`; a folder goes by its own name."""
    data = [Path(group.data).name if Path(group.data).is_absolute() else group.data] if group.data else []
    return ", ".join([f"scale {group.scale}", *data, f"seed {group.seed}", group.device])


def _row(results: Results, cell: Cell, columns: Sequence[str]) -> Row:
    chosen = results.experiment.row_labels
    labels = tuple(str(cell.settings.get(label, "")) for label in chosen) if chosen else (cell.name,)
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
        diff=NOTHING if difference is None else f"{round(difference, 1) + 0.0:+.1f}σ",  # + 0.0: never -0.0
        far=difference is not None and abs(difference) > FAR,
    )


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
    for cell in results.cells:
        yield from _left_out(results, cell)
        yield from _notes(results, cell)
    if results.outdated:
        yield f"{results.outdated} stored replicates were made with other settings than today's and have no part here."


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


def print_table(table: Table, console: Console) -> None:
    """Shows a table in a terminal; one too wide for it is continued below, with its labels repeated."""
    console.print(Text(table.title, style="bold"), soft_wrap=True)
    console.print(Text(table.subtitle, style="dim"), soft_wrap=True)
    for columns in _that_fit(table, console.width):
        console.print(_as_rich(table, columns))
    for line in (*table.footnotes, *table.remarks):
        console.print(Text(line), soft_wrap=True)


def _that_fit(table: Table, width: int) -> Iterator[list[int]]:
    """Numbers of the columns, in portions that fit into a width beside the labels."""
    gap = 2  # a space of padding and one of the box
    labels = [max(len(name), *(len(row.labels[i]) for row in table.rows)) + gap for i, name in enumerate(table.labels)]
    room = width - sum(labels) - (len("paper") + gap) * table.compared - gap
    portion, used = list[int](), 0
    for number, name in enumerate(table.columns):
        entries = [row.entries[number] for row in table.rows]
        wide = max(len(text) for entry in entries for text in (name, entry.ours, entry.paper, entry.diff)) + gap
        if portion and used + wide > room:
            yield portion
            portion, used = [], 0
        portion.append(number)
        used += wide
    yield portion


def _as_rich(table: Table, columns: Sequence[int]) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in table.labels:
        shown.add_column(Text(name), overflow="fold")
    if table.compared:
        shown.add_column("")
    for number in columns:
        shown.add_column(Text(table.columns[number]), overflow="fold")
    for row in table.rows:
        labels = [Text(label) for label in row.labels]
        entries = [row.entries[number] for number in columns]
        is_compared = any(entry.paper for entry in row.entries)
        kinds = [Text("\n".join(_kinds(is_compared)), style="dim")] if table.compared else []
        shown.add_row(*labels, *kinds, *(_as_text(entry) for entry in entries), end_section=is_compared)
    return shown


def _as_text(entry: Entry) -> Text:
    if not entry.paper:
        return Text(entry.ours, style="bold")
    style = "bold red" if entry.far else "dim"
    return Text("\n").join([Text(entry.ours, style="bold"), Text(entry.paper), Text(entry.diff, style=style)])


def _kinds(is_compared: bool) -> tuple[str, ...]:
    return ("ours", "paper", "diff") if is_compared else ("ours",)


def as_markdown(table: Table) -> str:
    """The same table in Markdown; differences of more than three combined standard errors are bold."""
    kinds = [""] if table.compared else []
    head = [*table.labels, *kinds, *table.columns]
    lines = [_markdown_line(head), _markdown_line(["---"] * len(head))]
    for row in table.rows:
        is_compared = any(entry.paper for entry in row.entries)
        kinds = ["<br>".join(_kinds(is_compared))] if table.compared else []
        lines.append(_markdown_line([*row.labels, *kinds, *(_as_markdown(entry) for entry in row.entries)]))
    below = [f"- {line}" for line in (*table.footnotes, *table.remarks)]
    return "\n".join([table.subtitle, "", *lines, "", *below]).rstrip() + "\n"


def _as_markdown(entry: Entry) -> str:
    if not entry.paper:
        return entry.ours
    return "<br>".join([entry.ours, entry.paper, f"**{entry.diff}**" if entry.far else entry.diff])


def _markdown_line(words: Sequence[str]) -> str:
    return f"| {' | '.join(word.replace('|', '&#124;') for word in words)} |"
