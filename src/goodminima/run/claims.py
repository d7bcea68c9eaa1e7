"""Claims: who is at work on which replicate, so that two runs on one store never do the same work twice."""

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Self, final

import sqlalchemy as sql
from sqlalchemy import exc

from goodminima.run.store import Identity, Store, StoreFailed, claims, matches

STALE_AFTER = 60.0  # seconds without a heartbeat after which a claim is void
HEARTBEAT_EVERY = 10.0  # seconds


@final
class Claims:
    """One run's claims on a store, kept alive by a thread while the `with` block lasts, given up at its end.

    A claim is void when its process on this host is dead, or when it has shown no sign of life for a minute; then
    exactly one of those who ask takes it over.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.token = uuid.uuid4().hex
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="claims", daemon=True)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._heart.join()
        # In a store that can no longer be written they stay, and are void as soon as this process is gone.
        with suppress(StoreFailed), self.store.writing() as connection:
            connection.execute(sql.delete(claims).where(claims.c.token == self.token))

    def take(self, identity: Identity) -> bool:
        """Claims a replicate; False if another run is at work on it or has stored it."""
        if not (self._insert(identity) or self._take_over(identity)):
            return False
        # It may have been stored, and its claim given up, since the caller looked.
        if self.store.has(identity):
            self.give_up(identity)
            return False
        return True

    def give_up(self, identity: Identity) -> None:
        """Leaves a replicate to others."""
        with self.store.writing() as connection:
            connection.execute(sql.delete(claims).where(matches(claims, identity), claims.c.token == self.token))

    def _insert(self, identity: Identity) -> bool:
        row = {name: getattr(identity, name) for name in Identity.__dataclass_fields__}
        try:
            with self.store.writing() as connection:
                connection.execute(sql.insert(claims).values(row | self._signature()))
        except exc.IntegrityError:
            return False
        return True

    def _take_over(self, identity: Identity) -> bool:
        here = matches(claims, identity)
        with self.store.reading() as connection:
            old = connection.execute(sql.select(claims).where(here)).mappings().first()
        if old is None or not _is_void(old["host"], old["pid"], old["heartbeat"]):
            return False
        # Of several that saw the same void claim, only the first still finds it unchanged.
        unchanged = here & (claims.c.token == old["token"]) & (claims.c.heartbeat == old["heartbeat"])
        with self.store.writing() as connection:
            return connection.execute(sql.update(claims).where(unchanged).values(self._signature())).rowcount == 1

    def _signature(self) -> dict[str, str | int | float]:
        return {"host": socket.gethostname(), "pid": os.getpid(), "token": self.token, "heartbeat": time.time()}

    def _beat(self) -> None:
        mine = sql.update(claims).where(claims.c.token == self.token)
        while not self._over.wait(HEARTBEAT_EVERY):
            # A locked store costs one beat of the six that make a minute; the next one may get through.
            with suppress(StoreFailed), self.store.writing() as connection:
                connection.execute(mine.values(heartbeat=time.time()))


def _is_void(host: str, pid: int, heartbeat: float) -> bool:
    silent_for = time.time() - heartbeat
    return silent_for > STALE_AFTER or (host == socket.gethostname() and not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    if os.name != "posix":  # elsewhere os.kill(pid, 0) ends the process; heartbeats decide alone
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
