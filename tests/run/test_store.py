import contextlib
import dataclasses
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from goodminima.experiments.experiment import Outcome
from goodminima.run import BadOption, Group, Store
from goodminima.run.store import Identity

IDENTITY = Identity(
    experiment="paper/table", scale="smoke", cell="n=2", replicate=0, data="", seed=0, config_hash="0123"
)
GROUP = Group(experiment="paper/table", scale="smoke", data="", seed=0, device="cpu")
OUTCOME = Outcome(
    values={"low": 0.25, "high": None},
    errors={"low": 0.01},
    counts={"guesses": 10**12},
    arrays={"curve": np.arange(6, dtype=np.float32).reshape(2, 3).T, "scalar": np.array(1.5)},
    note="budget ended",
)


def save(store: Store, identity: Identity = IDENTITY, outcome: Outcome = OUTCOME) -> bool:
    return store.save(identity, outcome, configuration={"cell": {"n": 2}}, seconds=1.5, device="cpu")


def test_what_was_saved_comes_back(store: Store):
    assert save(store)
    (row,) = store.rows(GROUP)
    assert row.identity == IDENTITY
    assert row.outcome.values == OUTCOME.values
    assert row.outcome.errors == OUTCOME.errors
    assert row.outcome.counts == OUTCOME.counts
    assert row.outcome.note == OUTCOME.note
    assert {name: array.shape for name, array in row.outcome.arrays.items()} == {"curve": (3, 2), "scalar": ()}
    assert all(np.array_equal(row.outcome.arrays[name], OUTCOME.arrays[name]) for name in OUTCOME.arrays)
    assert row.seconds == 1.5
    assert set(row.versions) == {"python", "torch", "numpy", "goodminima", "platform", "kernel"}
    assert row.created.endswith("+00:00")


def test_nothing_is_stored_twice(store: Store):
    assert save(store)
    assert not save(store, outcome=Outcome(values={"low": 0.99, "high": 0.99}))
    (row,) = store.rows(GROUP)
    assert row.outcome.values == OUTCOME.values


def test_each_part_of_an_identity_tells_replicates_apart(store: Store):
    save(store)
    for name in Identity.__dataclass_fields__:
        old = getattr(IDENTITY, name)
        new = old + 1 if isinstance(old, int) else old + "x"
        assert save(store, dataclasses.replace(IDENTITY, **{name: new})), name


def test_rows_come_in_replicate_order(store: Store):
    for replicate in (11, 2, 0, 1):
        save(store, dataclasses.replace(IDENTITY, replicate=replicate))
    assert [row.identity.replicate for row in store.rows(GROUP)] == [0, 1, 2, 11]


def test_delete_forgets_the_named_cells_of_one_group_only(store: Store):
    other_cell = dataclasses.replace(IDENTITY, cell="n=4")
    other_seed = dataclasses.replace(IDENTITY, seed=1)
    for identity in (IDENTITY, other_cell, other_seed):
        save(store, identity)
    assert store.delete(GROUP, cells=["n=2"]) == 1
    assert store.identities(GROUP) == {other_cell}
    assert store.groups() == [GROUP, dataclasses.replace(GROUP, seed=1)]


def test_many_threads_may_write(store: Store):
    def write(first: int) -> None:
        for replicate in range(first, 100, 4):
            save(store, dataclasses.replace(IDENTITY, replicate=replicate))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.rows(GROUP)) == 100


def open_and_save(path: str, replicate: int) -> None:
    save(Store(path), dataclasses.replace(IDENTITY, replicate=replicate))


def test_processes_that_make_the_same_store_at_once_all_succeed(tmp_path: Path):
    path = str(tmp_path / "new.db")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(open_and_save, [(path, replicate) for replicate in range(8)])
    assert len(Store(path).rows(GROUP)) == 8


def test_sqlite_stores_use_a_write_ahead_log(store: Store):
    assert store.file is not None
    with sqlite3.connect(store.file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_path_and_a_url_name_the_same_store(tmp_path: Path):
    save(Store(str(tmp_path / "new" / "a.db")))
    assert Store(f"sqlite:///{tmp_path}/new/a.db", create=False).groups() == [GROUP]


@pytest.mark.parametrize(
    ("url", "create", "message"),
    [
        ("{tmp}/absent.db", False, "no such store"),
        ("{tmp}", True, "cannot be opened"),
        ("{tmp}/text.txt", True, "not a database"),
        ("{tmp}/text.txt", False, "not a database"),
        ("{tmp}/other.db", False, "not a store of goodminima"),
        ("{tmp}/text.txt/a.db", True, "cannot be opened"),
        ("sqlite://", True, "name a file"),
        ("nosuch://x", True, "not a database URL"),
    ],
)
def test_a_store_that_cannot_be_opened_says_why(tmp_path: Path, url: str, create: bool, message: str):
    (tmp_path / "text.txt").write_text("not a database, for it is far too much like a text file")
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(BadOption, match=message) as caught:
        Store(url.format(tmp=tmp_path), create=create)
    assert caught.value.option == "store"
    assert not (tmp_path / "absent.db").exists()


def test_a_password_is_never_printed() -> None:
    with pytest.raises(BadOption) as caught:
        Store("postgresql+nodriver://user:hunter2@localhost/results")
    assert "hunter2" not in str(caught.value)
    assert "user:***@localhost" in str(caught.value)


def test_a_store_of_an_earlier_version_goes_on(store: Store):
    save(store)
    assert store.file is not None
    with contextlib.closing(sqlite3.connect(store.file)) as connection, connection:
        connection.execute("ALTER TABLE replicates DROP COLUMN errors")
    again = Store(str(store.file), create=False)
    assert [row.outcome.errors for row in again.rows(GROUP)] == [{}]
    assert save(again, dataclasses.replace(IDENTITY, replicate=1))
