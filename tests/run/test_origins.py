"""What made the replicates of a table is told where it is not one and the same thing."""

from collections import Counter
from dataclasses import replace

import pytest
from test_store import GROUP, save

from goodminima.run import Store
from goodminima.run.origins import Origin, origins_of, told

CLEAN, OTHER = "a" * 40, "b" * 40
HERE = Origin(revision=CLEAN, versions=("2.9", "2.3", "avx2"))
LATER = replace(HERE, revision=OTHER)
DIRTY = replace(HERE, revision=f"{OTHER}+dirty")
UNKNOWN = replace(HERE, revision="")
NEWER = replace(HERE, versions=("2.10", "2.3", "avx2"))
ELSEWHERE = replace(LATER, versions=("2.9", "2.3", ""))


@pytest.mark.parametrize(
    ("origins", "line"),
    [
        ({}, ""),
        ({HERE: 3}, ""),
        ({HERE: 3, LATER: 1}, "Replicates are of different sources: 3 of 4 with revision {a}; 1 with revision {b}."),
        (
            {HERE: 1, DIRTY: 3},
            "Replicates are of different sources: 3 of 4 with revision {b} and uncommitted changes; 1 with revision {a}.",
        ),
        ({DIRTY: 3}, "The source is not certain: 3 of 3 with revision {b} and uncommitted changes."),
        ({UNKNOWN: 2}, "The source is not certain: 2 of 2 with an unknown revision."),
        ({HERE: 3, NEWER: 1}, "Replicates are of different versions: 3 of 4 with torch 2.9; 1 with torch 2.10."),
        (
            {HERE: 3, ELSEWHERE: 1},
            "Replicates are of different sources: 3 of 4 with revision {a}, kernel avx2; 1 with revision {b}, kernel unknown.",
        ),
    ],
)
def test_one_line_says_how_many_replicates_each_origin_made(origins: dict, line: str):
    assert told(Counter(origins)) == line.format(a=CLEAN[:10], b=OTHER[:10])


def test_what_changes_no_number_makes_no_origin(store: Store):
    save(store)
    (row,) = store.rows(GROUP)
    updated = replace(row, versions={**row.versions, "platform": "newer", "python": "newer"})
    assert len(origins_of([row, updated])) == 1


@pytest.mark.usefixtures("unchecked")
def test_an_old_store_may_lack_all_of_it(store: Store):
    save(store)
    (row,) = store.rows(GROUP)
    bare = replace(row, versions=None, revision=None)  # pyright: ignore[reportArgumentType]
    assert origins_of([bare]) == {Origin(revision="", versions=("", "", "")): 1}
