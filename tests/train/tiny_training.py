"""A small net with convolutions, BatchNorm and dropout, and few digits, for the tests of training."""

from functools import lru_cache

import torch
from torch import nn

from goodminima.tasks import Examples, Task, few_shot, load_images


@lru_cache(maxsize=1)
def digits() -> Task:
    """101 digits, 14x14, and 200 others."""
    task = few_shot(load_images("digits"), num_samples=110, num_classes=10, seed=0)
    train, test = (
        Examples(split.x[:count, :, ::2, ::2].contiguous(), split.y[:count])
        for split, count in ((task.train, 101), (task.test, 200))
    )
    return Task(train=train, test=test, num_classes=10, name="few digits", origin="digits")


def tiny_net(seed: int = 0) -> nn.Sequential:
    """About 3,000 parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Flatten(),
            nn.Linear(294, 10),
        )
