"""Tensors in safetensors files, written whole or not at all, and turns at making them."""

import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from torch import Tensor

try:
    import fcntl
except ImportError:  # not on Windows: there two processes may do the same work, harmlessly
    fcntl = None

logger = logging.getLogger(__name__)

_FORMAT = "1"  # raise it when what is stored changes its meaning: older files are then never found
_FACTS = "images"  # where the file's header holds what is no tensor
_UNWRITABLE: set[Path] = set()  # folders of which that was said: once, and not at every checkpoint
_LOOK_AGAIN = 0.5  # seconds between two looks at a file that another process is making


def cache_file(name: str, *identity: str) -> Path:
    """Where what is called `name` is kept.

    Args:
        name: What is kept, as a part of a file name.
        identity: All that tells it from others of that name.

    Returns:
        A file in the folder `$GOODMINIMA_CACHE`, or else `~/.cache/goodminima`; it need not exist.
    """
    folder = Path(os.environ.get("GOODMINIMA_CACHE") or "~/.cache/goodminima").expanduser()
    digest = hashlib.sha256(json.dumps([_FORMAT, name, *identity]).encode()).hexdigest()[:16]
    return folder / f"{name}-{digest}.safetensors"


def read_tensors(file: Path) -> tuple[dict[str, Tensor], Any] | None:
    """Reads a file that `write_tensors` made; tensors are mapped, not copied.

    Args:
        file: The safetensors file.

    Returns:
        The tensors by name, and the facts kept with them; None where there is no file that can be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stored:
            facts = json.loads(stored.metadata()[_FACTS])
            return {key: stored.get_tensor(key) for key in stored.keys()}, facts  # noqa: SIM118
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        logger.warning("%s cannot be read (%s): making it again", file, error)
        return None


def write_tensors(file: Path, tensors: Mapping[str, Tensor], facts: Any) -> None:
    """Keeps tensors with facts, whole or not at all; where that cannot be, a warning is logged.

    Args:
        file: The safetensors file; folders are made.
        tensors: The tensors by name.
        facts: What is kept with them, in JSON's own types.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # A name of its own: two processes that make the same must not write into one file.
    unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(dict(tensors), unfinished, {_FACTS: json.dumps(facts)})
            os.replace(unfinished, file)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        if file.parent not in _UNWRITABLE:
            logger.warning("%s cannot be written (%s): next time it will be made again", file.parent, error)
        _UNWRITABLE.add(file.parent)
    else:
        _UNWRITABLE.discard(file.parent)


@contextmanager
def turn(file: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """While inside the `with`, no other process of this machine is in it for the same file: look into the file first.

    The system ends the turn of a process that dies. Where there are no such locks, everybody goes in at once.

    Args:
        file: What is about to be made.
        waiting: Called now and then while another process is at it.

    Yields:
        None, once it is our turn.
    """
    while True:
        with turn_if_free(file) as is_ours:
            if is_ours:
                yield
                return
        waiting()
        time.sleep(_LOOK_AGAIN)


@contextmanager
def turn_if_free(file: Path) -> Iterator[bool]:
    """As `turn`, but goes in at once, whether or not it is our turn.

    Args:
        file: What is about to be made.

    Yields:
        Whether it is our turn.
    """
    lock = _turn_file(file)
    with lock or nullcontext():
        yield lock is None or _locked(lock.fileno())


def _turn_file(file: Path) -> TextIO | None:
    if fcntl is None:
        return None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.with_name(f".{file.name}.turn").open("w")
    except OSError:  # whoever writes the file itself will say so
        return None


def _locked(descriptor: int) -> bool:
    assert fcntl is not None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
