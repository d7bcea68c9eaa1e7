import dataclasses
import io

import pytest
from fixed_results import EXPERIMENT, GROUP, RESULTS
from rich.console import Console

from goodminima.experiments.experiment import Claim, Outcome
from goodminima.report.render import as_markdown, print_table
from goodminima.report.tables import Table, described, tables_of
from goodminima.run import Results

TERMINAL = """
paper/table: A table [Somebody 2000, Table 1]
scale laptop, digits, seed 0, cpu; mean ± standard error (n), in %

 samples  method         (0.3, 0.35]        (0.35, 0.4]
 ───────────────────────────────────────────────────────
 2        G&C     ours   67.0±1.0 (2 of 3)  60.0±5.8 (3)
                  paper  66.9±1.0           90.0±1.0
                  diff   +0.1σ              -5.1σ

 2        SGD     ours   – (0 of 2)         –
                  paper  70.0
                  diff   –

 4        G&C     ours                      –

n=2/gc: replicates that found none: 1 of 3 in (0.3, 0.35]; leaving them out biases the mean upwards.
n=2/gc: 1 of 3 replicates: budget of 1,000 guesses ended
n=2/sgd: replicates that found none: 2 of 2 in (0.3, 0.35].
n=2/sgd: 2 of 2 replicates: a
7 stored replicates were made with other settings than today's and have no part here.
Ours is smaller.
"""

MARKDOWN = """
scale laptop, digits, seed 0, cpu; mean ± standard error (n), in %

| samples | method |  | (0.3, 0.35] | (0.35, 0.4] |
| --- | --- | --- | --- | --- |
| 2 | G&C | ours<br>paper<br>diff | 67.0±1.0 (2 of 3)<br>66.9±1.0<br>+0.1σ | 60.0±5.8 (3)<br>90.0±1.0<br>**-5.1σ** |
| 2 | SGD | ours<br>paper<br>diff | – (0 of 2)<br>70.0<br>– | – |
| 4 | G&C | ours |  | – |

- n=2/gc: replicates that found none: 1 of 3 in (0.3, 0.35]; leaving them out biases the mean upwards.
- n=2/gc: 1 of 3 replicates: budget of 1,000 guesses ended
- n=2/sgd: replicates that found none: 2 of 2 in (0.3, 0.35].
- n=2/sgd: 2 of 2 replicates: a
- 7 stored replicates were made with other settings than today's and have no part here.
- Ours is smaller.
"""


def table_of(results: Results) -> Table:
    (table,) = tables_of(results)
    return table


def in_terminal(results: Results, width: int = 150) -> str:
    out = io.StringIO()
    print_table(table_of(results), Console(file=out, width=width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def test_the_table_in_a_terminal():
    assert in_terminal(RESULTS) == TERMINAL.lstrip("\n")


def test_the_table_in_markdown():
    assert as_markdown(table_of(RESULTS)) == MARKDOWN.lstrip("\n")


@pytest.mark.parametrize(("width", "portions"), [(45, 2), (50, 2), (60, 1), (150, 1)])
def test_a_narrow_terminal_gets_the_columns_one_below_the_other_and_uncut(width: int, portions: int):
    text = in_terminal(RESULTS, width=width)
    assert "67.0±1.0 (2 of 3)" in text
    assert "60.0±5.8 (3)" in text
    assert "…" not in text
    table = [line for line in text.splitlines() if "σ" in line or ("±" in line and line.startswith(" "))]
    assert all(len(line) <= width for line in table)


def test_a_table_of_seven_bins_fits_150_columns():
    bins = tuple(f"(0.{i}5, 0.{i + 1}]" for i in range(7))
    cell = dataclasses.replace(EXPERIMENT.cells[0], measures=bins, printed={})
    results = with_outcomes(cell, [Outcome(values=dict.fromkeys(bins, 0.7 + 0.001 * i)) for i in range(40)])
    text = in_terminal(results)
    assert text.count("samples") == 1
    assert text.count("72.0±0.2 (40)") == 7


def with_outcomes(cell, outcomes, **changes) -> Results:
    experiment = dataclasses.replace(EXPERIMENT, cells=(cell,), **changes)
    (old, *_) = RESULTS.replicates["n=2/gc"]
    replicates = tuple(dataclasses.replace(old, outcome=outcome) for outcome in outcomes)
    return Results(experiment=experiment, group=GROUP, replicates={cell.name: replicates})


def test_values_that_are_no_fractions_are_shown_as_they_are():
    cell = dataclasses.replace(EXPERIMENT.cells[2], printed={})
    results = with_outcomes(cell, [Outcome(values={"(0.35, 0.4]": value}) for value in (1234.5, 1236.5)], percent=False)
    assert "| 1236±1 (2) |" in as_markdown(table_of(results))


def test_one_replicate_has_no_spread():
    cell = dataclasses.replace(EXPERIMENT.cells[2], printed={})
    results = with_outcomes(cell, [Outcome(values={"(0.35, 0.4]": 0.5})])
    assert "| 50.0 (1) |" in as_markdown(table_of(results))


def test_without_row_labels_a_row_has_its_cells_name():
    cell = EXPERIMENT.cells[2]
    markdown = as_markdown(table_of(with_outcomes(cell, [], row_labels=())))
    assert markdown.splitlines()[2:5] == ["| cell | (0.35, 0.4] |", "| --- | --- |", "| n=4/gc | – |"]


def test_many_different_notes_are_counted():
    cell = EXPERIMENT.cells[2]
    outcomes = [Outcome(values={"(0.35, 0.4]": 0.5}, note=f"note {i // 2}") for i in range(12)]
    footnotes = table_of(with_outcomes(cell, outcomes)).footnotes
    assert footnotes == (
        "n=4/gc: 2 of 12 replicates: note 0",
        "n=4/gc: 2 of 12 replicates: note 1",
        "n=4/gc: 2 of 12 replicates: note 2",
        "n=4/gc: 6 of 12 replicates: other notes",
    )


def test_a_folder_goes_by_its_own_name():
    group = dataclasses.replace(GROUP, data="/somewhere/far/mnist")
    assert described(group) == "scale laptop, mnist, seed 0, cpu"


STATEMENTS = """
| cell | statement | measured | bound | holds |
| --- | --- | --- | --- | --- |
| n=2/sgd | it closes | 0.002±0.001 (2) | < 0.005 | yes (2 of 2) |
| n=2/sgd | it grows | 2±1 (2) | > 1.5 | **no (1 of 2)** |
| n=2/sgd | it is one | 1.02 (1 of 2) | 0.99 to 1.01 | **no (0 of 2)** |

- 1 of 3 statements hold.
"""


def test_a_statement_no_replicate_was_asked_for_is_not_counted():
    claims = {"gap": Claim("it closes", below=0.005), "norm": Claim("it grows", above=1.5)}
    cell = dataclasses.replace(EXPERIMENT.cells[1], measures=tuple(claims), printed={}, claims=claims)
    (table,) = tables_of(with_outcomes(cell, [Outcome(values={"gap": 0.001})], percent=False))
    assert [row.entries[-1].ours for row in table.rows] == ["yes (1 of 1)", "–"]
    assert table.footnotes == ("1 of 1 statements hold. 1 not measured.",)


def test_statements_have_a_line_each_with_their_bound_and_how_often_they_hold():
    claims = {"gap": Claim("it closes", below=0.005), "norm": Claim("it grows", above=1.5)}
    claims["limit"] = Claim("it is one", 0.99, 1.01)
    cell = dataclasses.replace(EXPERIMENT.cells[1], measures=tuple(claims), printed={}, claims=claims)
    outcomes = [
        Outcome(values={"gap": 1e-3, "norm": 1.0, "limit": None}, note="a"),
        Outcome(values={"gap": 3e-3, "norm": 3.0, "limit": 1.02}),
    ]
    markdown = as_markdown(table_of(with_outcomes(cell, outcomes, percent=False)))
    assert STATEMENTS.strip() in markdown


def test_a_measure_that_is_printed_and_claimed_is_in_both_tables():
    cell = dataclasses.replace(EXPERIMENT.cells[0], claims={"(0.3, 0.35]": Claim("better than chance", above=0.5)})
    values, statements = tables_of(with_outcomes(cell, [Outcome(values={"(0.3, 0.35]": 0.66})]))
    assert values.columns == cell.measures
    assert [entry.ours for entry in statements.rows[0].entries] == ["66.0 (1)", "> 50.0", "yes (1 of 1)"]
    assert not values.remarks
    assert statements.remarks == EXPERIMENT.remarks


def test_a_replicate_that_averaged_over_many_brings_its_own_error():
    low = "(0.3, 0.35]"
    printed = {low: EXPERIMENT.cells[0].printed[low]}
    cell = dataclasses.replace(EXPERIMENT.cells[0], measures=(low,), printed=printed)
    (row,) = table_of(with_outcomes(cell, [Outcome(values={low: 0.68}, errors={low: 0.01})])).rows
    assert row.entries[0].ours == "68.0±1.0 (1)"
    assert row.entries[0].diff == "+0.8σ"


def test_values_of_another_setting_stand_beside_ours_without_a_difference():
    scales = {name: dataclasses.replace(scale, comparable=False) for name, scale in EXPERIMENT.scales.items()}
    results = dataclasses.replace(RESULTS, experiment=dataclasses.replace(EXPERIMENT, scales=scales))
    row = table_of(results).rows[0]
    assert [(entry.paper, entry.diff, entry.far) for entry in row.entries] == [
        ("66.9±1.0", "", False),
        ("90.0±1.0", "", False),
    ]
    assert "| G&C | ours<br>paper | 67.0±1.0 (2 of 3)<br>66.9±1.0 |" in as_markdown(table_of(results))
    assert "diff " not in in_terminal(results)


def with_revisions(*revisions: str) -> Results:
    """Replicates of one cell, each of another source."""
    results = with_outcomes(EXPERIMENT.cells[2], [Outcome(values={"(0.35, 0.4]": 0.5})] * len(revisions))
    rows = zip(results.replicates["n=4/gc"], revisions, strict=True)
    return dataclasses.replace(
        results, replicates={"n=4/gc": tuple(dataclasses.replace(row, revision=revision) for row, revision in rows)}
    )


def test_an_average_over_source_revisions_is_said_under_the_table():
    one, other = "a" * 40, "b" * 40 + "+dirty"
    counts = "2 of 3 with revision aaaaaaaaaa; 1 with revision bbbbbbbbbb and uncommitted changes"
    line = f"Replicates are of different sources: {counts}."
    assert line in in_terminal(with_revisions(one, other, one)).splitlines()
    assert f"- {line}" in as_markdown(table_of(with_revisions(one, other, one))).splitlines()
    assert not table_of(with_revisions(one, one)).footnotes
