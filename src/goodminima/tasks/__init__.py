"""What is to be learned: toy problems and tasks cut from images."""

from goodminima.tasks.fewshot import few_shot, whole
from goodminima.tasks.image_data import DataError, ImageData
from goodminima.tasks.images import load_images
from goodminima.tasks.sources import KNOWN
from goodminima.tasks.task import Examples, Task
from goodminima.tasks.toy import wedge, wedge_curve

__all__ = [
    "KNOWN",
    "DataError",
    "Examples",
    "ImageData",
    "Task",
    "few_shot",
    "load_images",
    "wedge",
    "wedge_curve",
    "whole",
]
