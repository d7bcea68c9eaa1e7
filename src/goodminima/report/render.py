"""How a table is shown: in a terminal, and in Markdown."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from goodminima.report.tables import Entry, Row, Table


def print_table(table: Table, console: Console) -> None:
    """Shows a table in a terminal; one too wide for it is continued below, with its labels repeated."""
    console.print(Text(table.title, style="bold"), soft_wrap=True)
    console.print(Text(table.subtitle, style="dim"), soft_wrap=True)
    for columns in _that_fit(table, console.width):
        console.print(_as_rich(table, columns, console.width))
    for line in (*table.footnotes, *table.remarks):
        console.print(Text(line), soft_wrap=True)


def _that_fit(table: Table, width: int) -> Iterator[list[int]]:
    """Numbers of the columns, in portions that fit into a width beside the labels."""
    gap = 2  # a space of padding and one of the box
    widest = _widest_label(width)
    labels = [
        min(widest, max(len(name), *(len(row.labels[i]) for row in table.rows))) + gap
        for i, name in enumerate(table.labels)
    ]
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


def _widest_label(width: int) -> int:
    """Statements are long: a label of more than two fifths of the width is folded."""
    return 2 * width // 5


def _as_rich(table: Table, columns: Sequence[int], width: int) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in table.labels:
        shown.add_column(Text(name), overflow="fold", max_width=_widest_label(width))
    if table.compared:
        shown.add_column("")
    for number in columns:
        shown.add_column(Text(table.columns[number]), overflow="fold")
    for row in table.rows:
        labels = [Text(label) for label in row.labels]
        entries = [row.entries[number] for number in columns]
        lines = _kinds(row)
        kinds = [Text("\n".join(lines), style="dim")] if table.compared else []
        shown.add_row(*labels, *kinds, *(_as_text(entry) for entry in entries), end_section=len(lines) > 1)
    return shown


def _as_text(entry: Entry) -> Text:
    if not entry.paper:
        return Text(entry.ours, style="bold red" if entry.far else "bold")
    style = "bold red" if entry.far else "dim"
    lines = [
        Text(entry.ours, style="bold"),
        Text(entry.paper),
        *([Text(entry.diff, style=style)] if entry.diff else []),
    ]
    return Text("\n").join(lines)


def _kinds(row: Row) -> tuple[str, ...]:
    """The names of the lines that a row has."""
    has = {"paper": any(entry.paper for entry in row.entries), "diff": any(entry.diff for entry in row.entries)}
    return ("ours", *(kind for kind, is_there in has.items() if is_there))


def as_markdown(table: Table) -> str:
    """The same table in Markdown; differences of more than three combined standard errors are bold."""
    kinds = [""] if table.compared else []
    head = [*table.labels, *kinds, *table.columns]
    lines = [_markdown_line(head), _markdown_line(["---"] * len(head))]
    for row in table.rows:
        kinds = ["<br>".join(_kinds(row))] if table.compared else []
        lines.append(_markdown_line([*row.labels, *kinds, *(_as_markdown(entry) for entry in row.entries)]))
    below = [f"- {line}" for line in (*table.footnotes, *table.remarks)]
    return "\n".join([table.subtitle, "", *lines, "", *below]).rstrip() + "\n"


def _as_markdown(entry: Entry) -> str:
    if not entry.paper:
        return f"**{entry.ours}**" if entry.far else entry.ours
    diff = f"**{entry.diff}**" if entry.far else entry.diff
    return "<br>".join([entry.ours, entry.paper, *([diff] if diff else [])])


def _markdown_line(words: Sequence[str]) -> str:
    return f"| {' | '.join(word.replace('|', '&#124;') for word in words)} |"
