"""Where images come from: a data set of the Hugging Face hub, or a folder in the hub's layout."""

import difflib
import hashlib
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from goodminima.tasks.image_data import DataError

if TYPE_CHECKING:
    from datasets import DatasetDict

EMBEDDED = "digits"

# Short name -> id on the hub, with its configuration after a colon where there are several.
KNOWN: Mapping[str, str] = MappingProxyType(
    {
        "mnist": "ylecun/mnist",
        "fashion_mnist": "zalando-datasets/fashion_mnist",
        "cifar10": "uoft-cs/cifar10",
        "cifar100": "uoft-cs/cifar100",
        "cinic10": "flwrlabs/cinic10",
        "svhn": "ufldl-stanford/svhn:cropped_digits",
    }
)

_CONFIGURED = re.compile(r"(?P<place>.+):(?P<config>[\w.-]+)")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """One data set that `datasets` can open; equal sources hold equal images.

    Args:
        data: What the person typed; error messages name it.
        name: Short name.
        place: Id on the hub, or a folder.
        config: Configuration of a data set that has several.
        is_folder: Whether `place` is a folder.
        fingerprint: Of a folder, changes when its files do. A hub data set has none: what was decoded first is kept.
    """

    data: str
    name: str
    place: str
    config: str | None = None
    is_folder: bool
    fingerprint: str = ""

    @property
    def origin(self) -> str:
        """Where the images came from, for a reader."""
        config = "" if self.config is None else f":{self.config}"
        return f"{'folder' if self.is_folder else 'Hugging Face hub'} {self.place}{config}"


def locate(data: str) -> Source:
    """Finds what a name means: a known data set, a folder, or `owner/name` on the hub, in this order.

    Args:
        data: The name; a configuration may follow after a colon.

    Returns:
        The data set, not yet opened.

    Raises:
        DataError: If it is none of these.

    >>> locate("svhn").place, locate("svhn").config
    ('ufldl-stanford/svhn', 'cropped_digits')
    """
    place, config = _split_config(KNOWN.get(data, data))
    folder = Path(place).expanduser()
    if data not in KNOWN and data and folder.is_dir():
        mark = _fingerprint(folder)
        name = folder.resolve().name
        return Source(data=data, name=name, place=place, config=config, is_folder=True, fingerprint=mark)
    if data not in KNOWN and folder.is_file():
        raise DataError(f"{data!r} is a file: give the folder it is in, {str(folder.parent)!r}")
    if _HUB_ID.fullmatch(place):
        name = data if data in KNOWN else place.split("/")[1]
        return Source(data=data, name=name, place=place, config=config, is_folder=False)
    if re.search(r"[/\\]|^[.~]", place):
        raise DataError(f"{data!r}: there is no such folder")
    names = [EMBEDDED, *KNOWN]
    near = difflib.get_close_matches(data.lower(), names, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise DataError(f"{data!r} is no known data set{hint}: give one of {', '.join(names)}, owner/name, or a folder")


@contextmanager
def opened(source: Source) -> "Iterator[DatasetDict]":
    """The splits of a data set, while inside the `with`.

    What `datasets` prepares from a folder goes to a temporary one and is gone afterwards, however that ends: the
    decoded images are kept by `cache`, and a second copy would serve nobody. What it downloads stays in its own cache.

    Args:
        source: The data set.

    Yields:
        Its splits by name.

    Raises:
        DataError: If there is no such data set, it cannot be reached, or `datasets` cannot read it.
    """
    if source.is_folder:
        with tempfile.TemporaryDirectory(prefix="goodminima-", ignore_cleanup_errors=True) as scratch:
            yield _load_folder(source, scratch)
    else:
        yield _load_hub(source)


def _split_config(place: str) -> tuple[str, str | None]:
    found = _CONFIGURED.fullmatch(place)
    if found is None or Path(place).exists():
        return place, None
    return found["place"], found["config"]


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256(str(folder.resolve()).encode())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        facts = file.stat()
        digest.update(f"\0{file.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}".encode())
    return digest.hexdigest()


def _load_folder(source: Source, scratch: str) -> "DatasetDict":
    import datasets
    from datasets.exceptions import DatasetsError

    folder = str(Path(source.place).expanduser())
    try:
        with _progress_bars(shown=False):
            return datasets.load_dataset(folder, source.config, cache_dir=scratch)
    except FileNotFoundError as error:
        raise DataError(f"{source.data!r} holds no images: give a folder of parquet files or image files") from error
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{source.data!r} cannot be read as a data set: {_in_short(error)}") from error


def _load_hub(source: Source) -> "DatasetDict":
    import datasets
    from datasets import config
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    online = not config.HF_HUB_OFFLINE and _answers(config.HF_ENDPOINT)
    try:
        with _progress_bars(shown=online and os.isatty(2)), _offline(not online):
            return datasets.load_dataset(source.place, source.config)
    except DatasetNotFoundError as error:
        raise DataError(
            f"{source.data!r}: the Hugging Face hub has no data set {source.place!r} that you may read: "
            f"check the name, or log in with `hf auth login`"
        ) from error
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        if online:
            raise DataError(f"{source.data!r} cannot be read from the hub: {_in_short(error)}") from error
        raise DataError(
            f"{source.data!r}: the Hugging Face hub cannot be reached, and {source.place!r} is neither cached nor a "
            f"folder here: connect once, or give a folder in the hub's layout"
        ) from error


def _answers(endpoint: str, timeout: float = 5.0) -> bool:
    """Whether anything answers at `endpoint`: without this question `datasets` tries again for half a minute."""
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=timeout).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # A certificate that Python's own list does not know: something answered, let `datasets` judge with its list.
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False
    return True


@contextmanager
def _offline(offline: bool) -> Iterator[None]:
    """`datasets` looks into its cache alone; it has no argument for this, and reads the environment only once."""
    from datasets import config

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


@contextmanager
def _progress_bars(*, shown: bool) -> Iterator[None]:
    import datasets

    before = datasets.is_progress_bar_enabled()
    if not shown:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if before:
            datasets.enable_progress_bars()


def _in_short(error: Exception) -> str:
    """The first line of what went wrong; `datasets` puts it into the cause of an error that says nothing."""
    lines = str(error.__cause__ or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
