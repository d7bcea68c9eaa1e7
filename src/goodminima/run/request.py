"""What a run is asked for, checked before anything starts."""

import fnmatch
from pathlib import Path

from goodminima.experiments.experiment import SCALES, Cell, Experiment
from goodminima.run.options import BadOption, unknown
from goodminima.run.store import Group


def known_scale(scale: str) -> str:
    """The scale, if there is one of this name; `BadOption` otherwise."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES, kind="scale")
    return scale


def group_of(
    experiment: Experiment, *, scale: str = "laptop", data: str | None = None, seed: int = 0, device: str = "cpu"
) -> Group:
    """The table that these options name.

    Raises:
        BadOption: No such scale, a seed out of range, or data for an experiment that makes its own.
    """
    if not 0 <= seed < 2**63:
        raise BadOption("seed", seed, "must lie in 0 .. 2^63 - 1; 0 is the default")
    if data is not None and experiment.data is None:
        raise BadOption("data", data, f"{experiment.name} makes its own toy data; leave this option out")
    name = data_name(data or experiment.data or "")
    return Group(experiment=experiment.name, scale=known_scale(scale), data=name, seed=seed, device=device)


def chosen_cells(experiment: Experiment, *, scale: str, only: str | None) -> tuple[Cell, ...]:
    """The cells of a scale that a name, or a pattern such as `n=4/*`, picks; `BadOption` if it picks none."""
    cells = experiment.cells_at(known_scale(scale))
    if only is None:
        return cells
    # A cell's own name goes first: it may hold brackets, which a pattern reads as a set of characters.
    named = tuple(cell for cell in cells if cell.name == only)
    picked = named or tuple(cell for cell in cells if fnmatch.fnmatchcase(cell.name, only))
    if not picked:
        raise unknown("only", only, [cell.name for cell in cells], kind="cell")
    return picked


def check_device(device: str) -> None:
    """Raises `BadOption` if tensors cannot live on a device."""
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise BadOption("device", device, f"cannot be used here ({reason}); cpu always can") from error


def check_data(data: str) -> None:
    """Loads image data once, so that an error comes before workers start and they find it in the cache."""
    if data:
        from goodminima.tasks import load_images

        load_images(data)


def data_set(data: str) -> str:
    """Which data set a name, an id on the hub or a folder stands for, in letters and digits alone; a folder goes by its name.

    >>> data_set("mnist"), data_set("ylecun/mnist"), data_set("/somewhere/CIFAR-10"), data_set("mini_imagenet")
    ('mnist', 'mnist', 'cifar10', 'miniimagenet')
    """
    from goodminima.tasks.sources import KNOWN

    short = {place: name for name, place in KNOWN.items()}
    name = Path(data).name if Path(data).is_absolute() else short.get(data, data)
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == "/")


def data_name(data: str) -> str:
    """One spelling for a folder, however it was typed and from wherever; a known name goes before a folder so named."""
    folder = Path(data).expanduser()
    if not data or not folder.is_dir():
        return data
    from goodminima.tasks.sources import EMBEDDED, KNOWN

    return data if data in (EMBEDDED, *KNOWN) else str(folder.resolve())
