"""The slab data: a straight boundary separates the classes, a zig-zag one does so with more room."""

from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.task import Examples, Task

Boundary = Literal["linear", "zig-zag"]

_MARGIN = 0.1  # half of what lies between the classes across, and between neighbouring slabs upwards
_SLABS = 4
_THICKNESS = (2 - (_SLABS - 1) * 2 * _MARGIN) / _SLABS
_MIDDLES = [(_THICKNESS + 2 * _MARGIN) * (number - (_SLABS - 1) / 2) for number in range(_SLABS)]  # from the lowest up
_PER_SLAB = 400
_POINTS, _SHUFFLE = 0, 1  # streams of a seed


def slab(*, seed: int, num_train: int = 140, num_test: int = 60) -> Task:
    """Four horizontal slabs in the square [-1, 1]^2, their points left and right in turn.

    The lowest and third slab lie right of x = 0.1 and are class 0, the second and the highest left of x = -0.1 and class 1;
    each is 0.35 thick, 0.2 from the next. Of 400 uniform points a slab, shuffled, the first are for training and the last
    for testing: larger samples extend smaller ones.

    Args:
        seed: At least 0.
        num_train: Number of training points, at least 1.
        num_test: Number of test points, at least 1; 1,600 with the training points at most.

    Returns:
        A task with inputs (N, 2): x, y.

    Raises:
        ValueError: If an argument is out of its range.

    Reference: Shah et al. 2020; Chiang et al. 2023, section 6 and Figure 3, with the numbers of the code behind it.

    >>> task = slab(seed=0)
    >>> len(task.train), len(task.test), task.train.x.shape[1]
    (140, 60, 2)
    """
    if min(num_train, num_test) < 1 or num_train + num_test > _SLABS * _PER_SLAB:
        raise ValueError(
            f"slab: num_train and num_test must be at least 1 and {_SLABS * _PER_SLAB} together at most, "
            f"got {num_train} and {num_test}"
        )
    unit = stream(seed, _POINTS).random((_SLABS, _PER_SLAB, 2))
    across = _MARGIN + (1 - _MARGIN) * unit[..., 0]  # (slab, point)
    label = np.arange(_SLABS)[:, None].repeat(_PER_SLAB, 1) % 2
    x = np.where(label == 0, across, -across)
    y = np.array(_MIDDLES)[:, None] + _THICKNESS * (unit[..., 1] - 0.5)
    order = stream(seed, _SHUFFLE).permutation(_SLABS * _PER_SLAB)
    points = torch.from_numpy(np.stack([x, y], axis=2).reshape(-1, 2)[order]).float()
    labels = torch.from_numpy(label.reshape(-1)[order])
    return Task(
        train=Examples(points[:num_train], labels[:num_train]),
        test=Examples(points[-num_test:], labels[-num_test:]),
        num_classes=2,
        name=f"slab n={num_train}",
        origin=f"generated: slab, seed {seed}",
    )


def slab_boundary(kind: Boundary) -> Float[Tensor, "K 2"]:
    """The corners (x, y) of a boundary between the classes, from the lowest up: straight on, or round every slab.

    The zig-zag's corners are the heights of the slabs' middles; between them it rises at 45 degrees, left and right in turn.

    Args:
        kind: "linear" or "zig-zag".

    Returns:
        K corners (x, y), 2 of the straight one, a corner per slab of the other.

    Raises:
        ValueError: If there is no such boundary.

    >>> slab_boundary("linear").tolist()
    [[0.0, -1.0], [0.0, 1.0]]
    """
    match kind:
        case "linear":
            return torch.tensor([[0.0, -1.0], [0.0, 1.0]])
        case "zig-zag":
            turn = (_THICKNESS + 2 * _MARGIN) / 2
            return torch.tensor([[turn if number % 2 else -turn, y] for number, y in enumerate(_MIDDLES)])
    raise ValueError(f"slab_boundary: no such boundary: {kind!r}; there are {', '.join(get_args(Boundary))}")


def boundary_probe(kind: Boundary, *, seed: int = 0) -> Task:
    """Points close to a boundary on both sides: a net that is right on all of them draws that boundary.

    30 points along the boundary, shifted right for class 0 and left for class 1: by 0.1 from the straight one, by
    0.1 sqrt(2) from the zig-zag, so that it, too, is passed at a distance of 0.1. The straight one's are evenly spaced from
    end to end; the zig-zag's are ten on each of its three legs, ends included, so that its two inner corners count twice.

    Args:
        kind: Which boundary.
        seed: Of the slab's points that are the task's `test`.

    Returns:
        A task whose `train` are the 60 probe points, class 0 first, and whose `test` are points of the slabs.

    Raises:
        ValueError: If there is no such boundary.

    Reference: the code behind Chiang et al. 2023, Figure 3.

    >>> boundary_probe("zig-zag").train.x[[0, 30]]
    tensor([[-0.1336, -0.8250],
            [-0.4164, -0.8250]])
    """
    corners = slab_boundary(kind).double()
    legs = len(corners) - 1
    steps = torch.linspace(0, 1, 30 // legs, dtype=torch.float64)[:, None]
    on = torch.cat([low + steps * (high - low) for low, high in pairwise(corners)])
    shift = torch.tensor([_MARGIN if kind == "linear" else _MARGIN * 2**0.5, 0], dtype=torch.float64)
    probe = Examples(torch.cat([on + shift, on - shift]).float(), torch.arange(2).repeat_interleave(len(on)))
    return Task(
        train=probe,
        test=slab(seed=seed).test,
        num_classes=2,
        name=f"slab, {kind} boundary",
        origin=f"generated: probe of the slab's {kind} boundary, slab seed {seed}",
    )
