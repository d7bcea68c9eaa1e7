"""A store that fails under a run: it says so, keeps what was saved, and the run goes on later as if nothing had been."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy import event, exc
from test_runner import values
from test_store import GROUP, IDENTITY, save
from toy_experiment import TOY, make

from goodminima.experiments.experiment import Outcome
from goodminima.run import BadOption, RunInterrupted, RunStopped, Store, StoreFailed, run
from goodminima.run import claims as claims_module
from goodminima.run import store as store_module
from goodminima.run.claims import Claims


@contextmanager
def with_pragma(store: Store, pragma: str) -> Iterator[None]:
    """Connections made meanwhile have a setting of SQLite; those of before are closed."""

    def prepare(connection, _record) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(store.engine, "connect", prepare)
    store.engine.dispose()
    yield
    event.remove(store.engine, "connect", prepare)
    store.engine.dispose()


def full(store: Store, *, room: int) -> str:
    """A disk with room for so many pages more."""
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return f"max_page_count={pages + room}"


def test_a_full_store_stops_a_run_that_goes_on_when_there_is_room(store: Store, tmp_path: Path):
    with with_pragma(store, full(store, room=2)):
        with pytest.raises(RunStopped, match="database or disk is full") as caught:
            run(TOY, store=store, scale="smoke", replicates=10)
        report = caught.value.report
        assert 0 < report.stored < report.wanted == 30
        assert len(store.rows(report.group)) == report.stored
    assert str(caught.value) == (
        f"the store {store.file} cannot be used (database or disk is full); {report.stored} of 30 replicates are stored"
    )
    other = Store(str(tmp_path / "other.db"))
    assert values(store, replicates=10) == values(other, replicates=10)


@pytest.mark.parametrize("pragma", ["query_only=ON", "busy_timeout=10"], ids=["read-only", "locked"])
def test_a_store_that_cannot_be_written_stops_a_run_before_it_computes(store: Store, pragma: str):
    def never(cell, context):
        raise AssertionError("nothing can be claimed")

    with with_pragma(store, pragma), store.engine.connect() as lock:
        if "busy" in pragma:
            lock.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(RunStopped, match=r"readonly database|is locked") as caught:
            run(make("NEVER", never), store=store, scale="smoke")
    assert caught.value.report.failures == ()


def test_ctrl_c_in_a_run_whose_store_fails_is_ctrl_c(store: Store, monkeypatch: pytest.MonkeyPatch):
    def fail(group):
        raise StoreFailed("store.db", "disk I/O error")

    def run_cell(cell, context):
        if context.replicate == 1:
            monkeypatch.setattr(Store, "identities", lambda self, group: fail(group))
            raise KeyboardInterrupt
        return Outcome(values={"low": 0.5})

    with pytest.raises(RunInterrupted) as caught:
        run(make("STOPPED", run_cell), store=store, scale="smoke")
    assert caught.value.report.stored == 3


@pytest.mark.parametrize(
    ("kind", "is_told"),
    [
        (exc.OperationalError, True),
        (exc.InterfaceError, True),
        (exc.InternalError, True),
        (exc.DatabaseError, True),  # SQLite's word for a file that is broken
        (exc.IntegrityError, False),
        (exc.ProgrammingError, False),
        (exc.DataError, False),
    ],
)
def test_errors_of_the_database_are_told_apart_from_those_of_a_question(store: Store, kind, is_told: bool):
    with pytest.raises(StoreFailed if is_told else kind) as caught, store.reading():
        raise kind("SELECT", {}, Exception("it broke\nin two lines"))
    if is_told:
        assert str(caught.value) == f"the store {store.file} cannot be used (it broke)"


def test_every_question_to_a_broken_store_says_so(store: Store):
    save(store)
    with store.engine.begin() as connection:
        connection.execute(sql.text("DROP TABLE replicates"))
    for ask in (
        lambda: store.rows(GROUP),
        lambda: store.identities(GROUP),
        lambda: store.has(IDENTITY),
        store.groups,
        lambda: store.delete(GROUP, cells=["n=2"]),
        lambda: save(store),
        lambda: Claims(store).take(IDENTITY),
    ):
        with pytest.raises(StoreFailed, match="no such table"):
            ask()


def test_a_heart_goes_on_beating_and_claims_end_quietly_in_a_store_that_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claims_module, "HEARTBEAT_EVERY", 0.01)
    with Claims(store) as mine:
        assert mine.take(IDENTITY)
        with store.engine.begin() as connection:
            connection.execute(sql.text("ALTER TABLE claims RENAME TO elsewhere"))
        time.sleep(0.1)
        assert mine._heart.is_alive()


def test_a_store_on_a_disk_without_any_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "text.db").write_text("as good as a store that cannot be opened")
    usage = store_module.shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(BadOption, match="its disk is full: make room, or name a file elsewhere"):
        Store(str(tmp_path / "text.db"))
