"""What is to be learned: toy problems and tasks cut from images."""

from goodminima.tasks.class_split import base_and_novel
from goodminima.tasks.concentric_rings import rings
from goodminima.tasks.episodes import Episodes, draw_episodes
from goodminima.tasks.extra import with_extra
from goodminima.tasks.fewshot import class_task, few_shot, full_task
from goodminima.tasks.gaussians import two_gaussians
from goodminima.tasks.image_data import DataError, ImageData
from goodminima.tasks.images import load_images
from goodminima.tasks.rolls import FreshRolls, swiss_roll
from goodminima.tasks.slabs import boundary_probe, slab, slab_boundary
from goodminima.tasks.sources import KNOWN
from goodminima.tasks.task import Examples, Task
from goodminima.tasks.toy import wedge, wedge_curve

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
    "class_task",
    "draw_episodes",
    "few_shot",
    "full_task",
    "load_images",
    "rings",
    "slab",
    "slab_boundary",
    "swiss_roll",
    "two_gaussians",
    "wedge",
    "wedge_curve",
    "with_extra",
]
