"""Decoded images kept on disk: decoding 60,000 PNGs takes seconds, mapping one safetensors file takes milliseconds."""

import hashlib
import json
import logging
import os
import uuid
from pathlib import Path

from goodminima.tasks.image_data import ImageData

logger = logging.getLogger(__name__)

_FORMAT = "1"  # raise it when what is stored changes its meaning: older files are then never found
_TENSORS = ("train_x", "train_y", "test_x", "test_y")


def cache_file(name: str, *identity: str) -> Path:
    """Where the decoded images called `name` are kept; `identity` is all that tells them from others of that name.

    The folder is `$GOODMINIMA_CACHE`, or else `~/.cache/goodminima`.
    """
    folder = Path(os.environ.get("GOODMINIMA_CACHE") or "~/.cache/goodminima").expanduser()
    digest = hashlib.sha256(json.dumps([_FORMAT, name, *identity]).encode()).hexdigest()[:16]
    return folder / f"{name}-{digest}.safetensors"


def read(file: Path) -> ImageData | None:
    """The images in `file`, mapped, not copied; None where there is no file or none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stored:
            facts = json.loads(stored.metadata()["images"])
            tensors = {key: stored.get_tensor(key) for key in _TENSORS}
        return ImageData(**tensors, class_names=tuple(facts["class_names"]), name=facts["name"], origin=facts["origin"])
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        logger.warning("%s cannot be read (%s): decoding the images again", file, error)
        return None


def write(file: Path, images: ImageData) -> None:
    """Keeps `images` in `file`, whole or not at all; where the folder cannot be written, it only says so."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    facts = {"class_names": images.class_names, "name": images.name, "origin": images.origin}
    # A name of its own: two processes that decode the same images must not write into one file.
    unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file({key: getattr(images, key) for key in _TENSORS}, unfinished, {"images": json.dumps(facts)})
            os.replace(unfinished, file)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        logger.warning("%s cannot be written (%s): the images will be decoded again next time", file.parent, error)
