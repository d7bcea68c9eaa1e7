"""Episodes: few-shot tasks cut from labelled images, as rows of them, so that features are computed once."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.image_data import DataError


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Episodes:
    """E tasks of W classes each: which images to learn from, and which to answer.

    Example i of an episode, on either side, is of its class i mod W: all episodes share their labels.

    Args:
        classes: The class behind each of an episode's labels.
        support: Rows to learn from, S = W shots.
        query: Rows to answer, Q = W queries.
    """

    classes: Int[Tensor, "E W"]
    support: Int[Tensor, "E S"]
    query: Int[Tensor, "E Q"]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def ways(self) -> int:
        """Classes an episode, W."""
        return self.classes.shape[1]

    @property
    def support_y(self) -> Int[Tensor, "S"]:
        """Labels of the examples to learn from."""
        return torch.arange(self.support.shape[1]) % self.ways

    @property
    def query_y(self) -> Int[Tensor, "Q"]:
        """Labels of the examples to answer."""
        return torch.arange(self.query.shape[1]) % self.ways


def draw_episodes(
    labels: Int[Tensor, "N"], *, num_episodes: int, ways: int = 5, shots: int = 1, queries: int = 15, seed: int
) -> Episodes:
    """Episodes number 0 to `num_episodes` - 1 of a seed: random classes, and of each of them random images.

    Episode e is a function of the labels, (seed, e), ways and queries; more shots only add examples to learn from, so
    that 1-shot and 5-shot episodes ask the same questions.

    Args:
        labels: The class of each image.
        num_episodes: Number of episodes E.
        ways: Classes an episode, W.
        shots: Images a class to learn from.
        queries: Images a class to answer.
        seed: At least 0.

    Returns:
        E episodes as rows of the images: S = W shots to learn from and Q = W queries to answer, each.

    Raises:
        DataError: If there are too few classes, or too few images of a class.
        ValueError: If a number is too small.

    Reference: Vinyals et al. 2016; the 600 episodes with 15 queries a class are customary.

    >>> episodes = draw_episodes(torch.arange(100) // 20, num_episodes=2, seed=0)
    >>> episodes.support.shape, episodes.query.shape
    (torch.Size([2, 5]), torch.Size([2, 75]))
    """
    if num_episodes < 1 or ways < 2 or shots < 1 or queries < 1:
        raise ValueError(
            f"draw_episodes: num_episodes, shots and queries must be at least 1 and ways at least 2, "
            f"got {num_episodes}, {shots}, {queries} and {ways}"
        )
    names = labels.unique()
    members = [(labels == name).nonzero().flatten().numpy() for name in names]
    fewest = min(map(len, members), default=0)
    if len(names) < ways or fewest < shots + queries:
        raise DataError(
            f"episodes of {ways} classes with {shots} + {queries} images each cannot be cut from {len(names)} classes "
            f"of which one has {fewest} images: lower ways, shots or queries"
        )
    drawn = [_one(members, ways=ways, shots=shots, queries=queries, seed=seed, episode=e) for e in range(num_episodes)]
    classes, support, query = (torch.from_numpy(np.stack(parts)) for parts in zip(*drawn, strict=True))
    return Episodes(classes=names[classes], support=support, query=query)


def _one(
    members: list[np.ndarray], *, ways: int, shots: int, queries: int, seed: int, episode: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the classes, rows to learn from, rows to answer."""
    random = stream(seed, episode)
    classes = random.permutation(len(members))[:ways]
    orders = [random.permutation(members[position]) for position in classes]
    query = np.stack([order[:queries] for order in orders], axis=1).ravel()
    support = np.stack([order[queries : queries + shots] for order in orders], axis=1).ravel()
    return classes, support, query
