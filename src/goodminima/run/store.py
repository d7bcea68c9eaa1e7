"""The store: every finished replicate with what it found and how it came about, in one SQL database."""

import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np
import safetensors.numpy
import sqlalchemy as sql
from sqlalchemy import JSON, BigInteger, Column, Integer, LargeBinary, String, Text, event, exc

from goodminima.experiments.experiment import Outcome
from goodminima.run.options import BadOption
from goodminima.run.provenance import revision, versions

DEFAULT_STORE = "sqlite:///goodminima.db"
CREATE_WAIT_S = 10.0  # how long a store that another run is making at the same time is waited for
SHARED_MEMORY = 32_768  # bytes beside the database, which every connection needs
LOCK_WAIT_MS = 60_000  # how long a writer waits for another one; commits take milliseconds


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What makes a replicate the one it is; at most one row of the store has it.

    Args:
        experiment: Name of the experiment.
        scale: Name of the scale.
        cell: Name of the cell.
        replicate: Number of the replicate, from 0.
        data: Name or folder of the data; empty for toy data, for NULLs are never equal in SQL.
        seed: The run's seed.
        config_hash: Hash of settings and device: a changed budget never reuses old numbers.
    """

    experiment: str
    scale: str
    cell: str
    replicate: int
    data: str
    seed: int
    config_hash: str


IDENTITY = ("experiment", "scale", "cell", "replicate", "data", "seed", "config_hash")


def identity_columns() -> list[Column[Any]]:
    """The columns of an `Identity`, together the primary key, hence unique."""
    integers = ("replicate", "seed")
    return [Column(name, BigInteger if name in integers else String, primary_key=True) for name in IDENTITY]


metadata = sql.MetaData()
replicates = sql.Table(
    "replicates",
    metadata,
    *identity_columns(),
    Column("configuration", JSON, nullable=False),
    Column("values", JSON, nullable=False),
    Column("errors", JSON),
    Column("counts", JSON, nullable=False),
    Column("arrays", LargeBinary),
    Column("note", Text, nullable=False),
    Column("seconds", sql.Float, nullable=False),
    Column("device", String, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("revision", String, nullable=False),
    Column("created", String, nullable=False),  # UTC, ISO 8601
)
claims = sql.Table(
    "claims",
    metadata,
    *identity_columns(),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("token", String, nullable=False),
    Column("heartbeat", sql.Float, nullable=False),  # seconds since 1970
)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Replicate:
    """A row of the store: one finished replicate."""

    identity: Identity
    outcome: Outcome
    seconds: float
    device: str
    versions: Mapping[str, str]
    revision: str
    created: str


@final
@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Group:
    """The replicates that belong into one table."""

    experiment: str
    scale: str
    data: str
    seed: int
    device: str


@final
class StoreFailed(Exception):
    """The database of an opened store cannot go on: it is full, locked, read-only, or gone. What it has committed stays.

    Args:
        store: The store, as it may be printed.
        reason: What the database says, in a line.
    """

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"the store {store} cannot be used ({reason})")
        self.store = store
        self.reason = reason


@final
class Store:
    """Finished replicates; safe to be killed at any moment and to be shared by processes.

    Args:
        url: An SQLAlchemy URL, or the path of an SQLite file.
        create: Make a store where there is none; otherwise that is an error.

    Raises:
        BadOption: No store is there, or it cannot be opened or written. What happens to it later is a `StoreFailed`,
            whatever is asked of it.
    """

    def __init__(self, url: str = DEFAULT_STORE, *, create: bool = True) -> None:
        self.url = url if "://" in url else f"sqlite:///{url}"
        self.shown = _without_password(self.url)
        self.file: Path | None = None
        with self._opening():
            parsed = sql.make_url(self.url)
            self.file = Path(parsed.database) if parsed.database and parsed.get_backend_name() == "sqlite" else None
            self._check_place(parsed, create=create)
            self.engine = sql.create_engine(parsed)
            if self.file:
                event.listen(self.engine, "connect", _prepare_sqlite)
            if create:
                self._create_patiently()
            elif not sql.inspect(self.engine).has_table(replicates.name):
                raise BadOption("store", self.shown, "a database, but not a store of goodminima; name another file")
            self._bring_up_to_date()

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """What goes wrong meanwhile is told with its cure."""
        try:
            yield
        except (exc.ArgumentError, exc.NoSuchModuleError) as error:
            problem = f"not a database URL ({_first_line(error)}); try sqlite:///FILE.db"
            raise BadOption("store", self.shown, problem) from error
        except ModuleNotFoundError as error:
            problem = f"its driver {error.name} is not installed: pip install {error.name}"
            raise BadOption("store", self.shown, problem) from error
        except (exc.DBAPIError, OSError) as error:
            cure = "name a database or a file that you may write"
            if self.file and _is_full(self.file.parent):
                cure = "its disk is full: make room, or name a file elsewhere"
            reason = _first_line(getattr(error, "orig", None) or error)
            raise BadOption("store", self.shown, f"cannot be opened ({reason}); {cure}") from error

    def _check_place(self, parsed: sql.URL, *, create: bool) -> None:
        if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise BadOption("store", self.shown, "nothing in memory outlives a run; name a file")
        if self.file and not self.file.exists():
            if not create:
                raise BadOption("store", self.shown, "no such store; `goodminima run` makes one, or name another file")
            self.file.parent.mkdir(parents=True, exist_ok=True)

    def _create_patiently(self) -> None:
        """SQLite does not wait for a lock where waiting could be a deadlock, as when two runs make one store at once."""
        give_up = time.monotonic() + CREATE_WAIT_S
        while True:
            try:
                return self._create()
            except exc.OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > give_up:
                    raise
            time.sleep(0.02)

    def _create(self) -> None:
        with self.engine.begin() as connection:
            if self.file:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            for table in metadata.sorted_tables:
                connection.execute(sql.schema.CreateTable(table, if_not_exists=True))
            connection.execute(sql.delete(claims).where(claims.c.pid < 0))  # fails here and now if it cannot be written

    def _bring_up_to_date(self) -> None:
        """Gives a store that an earlier version made the columns which came later; they are empty in its old rows."""
        held = {column["name"] for column in sql.inspect(self.engine).get_columns(replicates.name)}
        for column in replicates.columns:
            if column.name not in held:
                kind = column.type.compile(self.engine.dialect)
                with self.engine.begin() as connection:
                    connection.exec_driver_sql(f"ALTER TABLE {replicates.name} ADD COLUMN {column.name} {kind}")

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """A connection to read by."""
        with _failures_told(str(self)), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sql.Connection]:
        """A transaction: committed at its end, or nothing of it."""
        with _failures_told(str(self)), self.engine.begin() as connection:
            yield connection

    def save(
        self, identity: Identity, outcome: Outcome, *, configuration: Mapping[str, Any], seconds: float, device: str
    ) -> bool:
        """Commits a finished replicate and gives up its claim, both or neither.

        Returns:
            Whether it was new; what is stored already stays as it is.
        """
        row = {
            **_columns(identity),
            "configuration": dict(configuration),
            "values": dict(outcome.values),
            "errors": dict(outcome.errors),
            "counts": dict(outcome.counts),
            "arrays": _packed(outcome.arrays),
            "note": outcome.note,
            "seconds": seconds,
            "device": device,
            "versions": versions(),
            "revision": revision(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            with self.writing() as connection:
                connection.execute(sql.delete(claims).where(matches(claims, identity)))
                connection.execute(sql.insert(replicates).values(row))
        except exc.IntegrityError:
            return False
        return True

    def has(self, identity: Identity) -> bool:
        """Whether this replicate is stored."""
        with self.reading() as connection:
            return (
                connection.execute(sql.select(replicates.c.seed).where(matches(replicates, identity))).first()
                is not None
            )

    def identities(self, group: Group) -> set[Identity]:
        """What is stored of a group, of whatever configuration."""
        columns = [replicates.c[name] for name in IDENTITY]
        with self.reading() as connection:
            found = connection.execute(sql.select(*columns).where(_in_group(group)))
            return {Identity(**row) for row in found.mappings()}

    def rows(self, group: Group) -> list[Replicate]:
        """What is stored of a group, in replicate order."""
        query = sql.select(replicates).where(_in_group(group)).order_by(replicates.c.replicate)
        with self.reading() as connection:
            return [_replicate(row) for row in connection.execute(query).mappings()]

    def groups(self) -> list[Group]:
        """What the store holds: one group for each table that could be shown, sorted."""
        columns = [replicates.c[name] for name in Group.__dataclass_fields__]
        with self.reading() as connection:
            return sorted(Group(**row) for row in connection.execute(sql.select(*columns).distinct()).mappings())

    def delete(self, group: Group, *, cells: Collection[str]) -> int:
        """Forgets these cells of a group; returns how many replicates that were."""
        chosen = _in_group(group) & replicates.c.cell.in_(cells)
        with self.writing() as connection:
            return connection.execute(sql.delete(replicates).where(chosen)).rowcount

    def __str__(self) -> str:
        return str(self.file) if self.file else self.shown


def matches(table: sql.Table, identity: Identity) -> sql.ColumnElement[bool]:
    """The condition that a row of `table` has this identity."""
    return sql.and_(*(table.c[name] == value for name, value in _columns(identity).items()))


def _columns(identity: Identity) -> dict[str, Any]:
    return dict(zip(IDENTITY, astuple(identity), strict=True))


def _in_group(group: Group) -> sql.ColumnElement[bool]:
    return sql.and_(*(replicates.c[name] == getattr(group, name) for name in Group.__dataclass_fields__))


def _replicate(row: Mapping[Any, Any]) -> Replicate:
    arrays = safetensors.numpy.load(row["arrays"]) if row["arrays"] else {}
    return Replicate(
        identity=Identity(**{name: row[name] for name in IDENTITY}),
        outcome=Outcome(
            values=row["values"], errors=row["errors"] or {}, counts=row["counts"], arrays=arrays, note=row["note"]
        ),
        seconds=row["seconds"],
        device=row["device"],
        versions=row["versions"],
        revision=row["revision"],
        created=row["created"],
    )


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes | None:
    if not arrays:
        return None
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")


def _without_password(url: str) -> str:
    """The address as it may be printed; as it is where it is no address at all."""
    try:
        return sql.make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return url


@contextmanager
def _failures_told(store: str) -> Iterator[None]:
    """Errors of the database become a `StoreFailed`; those of what it was asked are raised on."""
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError):
        raise
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise StoreFailed(store, _first_line(getattr(error, "orig", None) or error)) from error


def _is_full(folder: Path) -> bool:
    """Whether SQLite has no room there for the memory that its connections share, even to read."""
    try:
        return shutil.disk_usage(folder).free < SHARED_MEMORY
    except OSError:
        return False


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
