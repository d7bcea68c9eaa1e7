"""What is to be learned: toy problems and tasks cut from images."""

from goodminima.tasks.class_split import base_and_novel
from goodminima.tasks.episodes import Episodes, draw_episodes
from goodminima.tasks.fewshot import few_shot, of_classes, whole
from goodminima.tasks.gaussians import two_gaussians
from goodminima.tasks.image_data import DataError, ImageData
from goodminima.tasks.images import load_images
from goodminima.tasks.rings import rings
from goodminima.tasks.slab import boundary_probe, slab, slab_boundary
from goodminima.tasks.sources import KNOWN
from goodminima.tasks.swiss_roll import FreshRolls, swiss_roll
from goodminima.tasks.task import Examples, Task
from goodminima.tasks.toy import wedge, wedge_curve
from goodminima.tasks.with_extra import with_extra

__all__ = [
    "KNOWN",
    "DataError",
    "Episodes",
    "Examples",
    "FreshRolls",
    "ImageData",
    "Task",
    "base_and_novel",
    "boundary_probe",
    "draw_episodes",
    "few_shot",
    "load_images",
    "of_classes",
    "rings",
    "slab",
    "slab_boundary",
    "swiss_roll",
    "two_gaussians",
    "wedge",
    "wedge_curve",
    "whole",
    "with_extra",
]
