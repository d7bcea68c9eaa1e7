"""Where the trainings are that several entries of a paper share: in a folder beside the store."""

import hashlib
import re
import shutil
from pathlib import Path

from goodminima.run.store import Group, Store


def trainings_folder(store: Store, group: Group) -> Path:
    """The folder of one paper, scale, data, seed and device: `goodminima.trainings/liu2020/smoke/digits-.../seed-0`.

    Beside a database that is no file, it is in the working folder.
    """
    beside = (store.file or Path("goodminima.db")).with_suffix(".trainings")
    place = f"seed-{group.seed}" if group.device == "cpu" else f"seed-{group.seed}-{_plain(group.device)}"
    return beside.absolute() / _plain(group.experiment.partition("/")[0]) / group.scale / _data(group.data) / place


def forget_trainings(store: Store, group: Group) -> None:
    """Removes that folder, if there is one."""
    shutil.rmtree(trainings_folder(store, group), ignore_errors=True)


def _data(data: str) -> str:
    """A short name that no other data have: folders of one name may lie at several places."""
    return f"{_plain(Path(data).name)}-{hashlib.sha256(data.encode()).hexdigest()[:6]}" if data else "toy"


def _plain(name: str) -> str:
    """What every file system takes for a name."""
    return re.sub(r"[^\w.+=,-]+", "-", name)
