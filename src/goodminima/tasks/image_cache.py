"""Decoded images kept on disk: decoding 60,000 PNGs takes seconds, mapping one file takes milliseconds."""

import logging
from pathlib import Path

from goodminima.core.files import read_tensors, write_tensors
from goodminima.tasks.image_data import ImageData

logger = logging.getLogger(__name__)

_TENSORS = ("train_x", "train_y", "test_x", "test_y")


def read_images(file: Path) -> ImageData | None:
    """Reads a file that `write_images` made; images are mapped, not copied.

    Args:
        file: The safetensors file.

    Returns:
        The images; None where there is no file that can be read.
    """
    stored = read_tensors(file)
    if stored is None:
        return None
    tensors, facts = stored
    try:
        images = {key: tensors[key] for key in _TENSORS}
        return ImageData(**images, class_names=tuple(facts["class_names"]), name=facts["name"], origin=facts["origin"])
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("%s cannot be read (%s): making it again", file, error)
        return None


def write_images(file: Path, images: ImageData) -> None:
    """Keeps images, whole or not at all; where the folder cannot be written, a warning is logged.

    Args:
        file: The safetensors file.
        images: What it is to hold.
    """
    facts = {"class_names": images.class_names, "name": images.name, "origin": images.origin}
    write_tensors(file, {key: getattr(images, key) for key in _TENSORS}, facts)
