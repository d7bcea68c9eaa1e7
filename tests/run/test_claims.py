import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sql
from test_store import IDENTITY, save

from goodminima.run import Store
from goodminima.run import claims as claims_module
from goodminima.run.claims import Claims
from goodminima.run.store import claims


def write_claim(store: Store, *, pid: int, host: str, heartbeat: float) -> None:
    """A claim as another process left it."""
    with Claims(store) as other:
        assert other.take(IDENTITY)
        with store.engine.begin() as connection:
            changes = {"pid": pid, "host": host, "heartbeat": heartbeat, "token": "another"}
            connection.execute(sql.update(claims).values(changes))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def here() -> str:
    return claims_module.socket.gethostname()


def test_only_one_of_two_gets_a_claim_until_it_is_given_up(store: Store):
    with Claims(store) as first, Claims(store) as second:
        assert first.take(IDENTITY)
        assert not second.take(IDENTITY)
        first.give_up(IDENTITY)
        assert second.take(IDENTITY)


def test_the_end_of_a_run_gives_up_its_claims(store: Store):
    with Claims(store) as first:
        assert first.take(IDENTITY)
    with Claims(store) as second:
        assert second.take(IDENTITY)


def test_what_is_stored_cannot_be_claimed(store: Store):
    save(store)
    with Claims(store) as first:
        assert not first.take(IDENTITY)
    with store.engine.connect() as connection:
        assert connection.execute(sql.select(claims)).all() == []


def test_saving_ends_the_claim(store: Store):
    with Claims(store) as first:
        assert first.take(IDENTITY)
        save(store)
        with store.engine.connect() as connection:
            assert connection.execute(sql.select(claims)).all() == []


def test_a_claim_of_a_dead_process_is_void(store: Store):
    write_claim(store, pid=dead_pid(), host=here(), heartbeat=time.time())
    with Claims(store) as mine:
        assert mine.take(IDENTITY)


def test_a_claim_of_a_living_process_holds(store: Store):
    write_claim(store, pid=os.getpid(), host=here(), heartbeat=time.time() - 30)
    with Claims(store) as mine:
        assert not mine.take(IDENTITY)


def test_a_fresh_claim_from_another_host_holds_whatever_its_pid(store: Store):
    write_claim(store, pid=dead_pid(), host="elsewhere", heartbeat=time.time() - 30)
    with Claims(store) as mine:
        assert not mine.take(IDENTITY)


def test_a_claim_without_a_heartbeat_for_a_minute_is_void(store: Store):
    write_claim(store, pid=os.getpid(), host="elsewhere", heartbeat=time.time() - 61)
    with Claims(store) as mine:
        assert mine.take(IDENTITY)


def test_a_claim_is_kept_alive(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claims_module, "HEARTBEAT_EVERY", 0.02)
    with Claims(store) as mine:
        mine.take(IDENTITY)
        with store.engine.begin() as connection:
            connection.execute(sql.update(claims).values(heartbeat=0.0))
        deadline = time.time() + 5
        heartbeat = 0.0
        while heartbeat == 0.0 and time.time() < deadline:
            time.sleep(0.02)
            with store.engine.connect() as connection:
                heartbeat = connection.execute(sql.select(claims.c.heartbeat)).scalar_one()
    assert time.time() - heartbeat < 10


def race(path: str, barrier) -> bool:
    with Claims(Store(path)) as mine:
        barrier.wait()
        won = mine.take(IDENTITY)
        barrier.wait()  # so that no claim is given up before all have asked
        return won


def _race_into(path: str, barrier, won) -> None:
    won.put(race(path, barrier))


@pytest.mark.parametrize("is_void", [False, True], ids=["free", "void"])
def test_of_racing_processes_exactly_one_wins(tmp_path: Path, is_void: bool):
    path = str(tmp_path / "store.db")
    store = Store(path)
    if is_void:
        write_claim(store, pid=dead_pid(), host=here(), heartbeat=time.time())
    spawn = multiprocessing.get_context("spawn")
    barrier, won = spawn.Barrier(3), spawn.Queue()
    processes = [spawn.Process(target=_race_into, args=(path, barrier, won)) for _ in range(3)]
    for process in processes:
        process.start()
    assert sorted(won.get(timeout=60) for _ in processes) == [False, False, True]
    for process in processes:
        process.join()
