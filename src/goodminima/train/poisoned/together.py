"""Poisoned training of many minima of one two-class task at once: each its own start and its own weight of the poison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.progress import Callback, Progress
from goodminima.population.population import Evaluator, evaluator_of
from goodminima.tasks.task import Examples, Task, train_examples
from goodminima.train.poisoned.objective import Draw
from goodminima.train.poisoned.reverse import check_beta

_LISTEN_EVERY = 10  # steps


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PoisonedAdamConfig:
    """Full-batch Adam with a step that falls to 0 along half a cosine.

    Args:
        lr: The first step size.
        steps: How many.
        clip: Largest norm of a member's gradient.

    Raises:
        ValueError: If a number is out of range.
    """

    lr: float = 0.01
    steps: int = 8000
    clip: float = 8.0

    def __post_init__(self) -> None:
        for name in ("lr", "clip"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"PoisonedAdamConfig.{name} must be finite and above 0, got {value}")
        if self.steps < 1:
            raise ValueError(f"PoisonedAdamConfig.steps must be at least 1, got {self.steps}")

    def lr_at(self, step: int) -> float:
        """The step size of one step.

        Args:
            step: Its number, 0 to `steps`.

        Returns:
            lr (1 + cos(pi step / steps)) / 2.
        """
        return self.lr * (1 + math.cos(math.pi * step / self.steps)) / 2


def poison_together(
    net: nn.Module,
    data: Task | Examples,
    *,
    start: Float[Tensor, "P D"],
    betas: Sequence[float],
    draw: Draw,
    adam: PoisonedAdamConfig,
    callback: Callback | None = None,
) -> Float[Tensor, "P D"]:
    """Where members end: right on the training examples, and the more wrong elsewhere the larger their beta.

    All members see the same unseen examples in a step. A member does not depend on its company, but for that.

    Args:
        net: Any module of two classes; where the compiled kernel runs it, a run takes a fifth of one by itself.
        data: What members get right, every step all of it; of a task, its `train`.
        start: Where each member starts, one a row.
        betas: What not to generalise is worth to each member, from 0 to 1.
        draw: Step number -> unseen examples with their true labels.
        adam: The descent.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        The members as they ended, one a row.

    Raises:
        ValueError: If there is not one beta in [0, 1] a member, or there are more than two classes, where the gradient
            of equation 3 is none of a cross entropy: use `fit` with `PoisonedObjective`.

    Cost: three forward passes of both sets of examples a step and member.

    Reference: Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, equation 3; Kingma, Ba 2015.
    """
    train = train_examples(data)
    if len(betas) != len(start):
        raise ValueError(f"poison_together: one beta a member is needed, got {len(betas)} for {len(start)} members")
    for beta in betas:
        check_beta("poison_together: beta", beta)
    evaluate = evaluator_of(net, start, tuple(train.x.shape[1:]))
    if (classes := evaluate.logits(start[:1], train.x[:1]).shape[2]) != 2:
        raise ValueError(f"poison_together: two classes are needed, got {classes}; use fit with a PoisonedObjective")
    weights = torch.tensor(betas, dtype=start.dtype, device=start.device)[:, None]
    members = start.detach().clone()
    # fused=False: every member's entries are rounded alike, wherever in the block they lie.
    optimizer = torch.optim.Adam([members], lr=adam.lr, foreach=False, fused=False)
    for step in range(adam.steps):
        for group in optimizer.param_groups:
            group["lr"] = adam.lr_at(step)
        unseen = draw(step).to(str(members.device)) if any(betas) else None
        members.grad = _clipped(_gradient(evaluate, members, train, unseen, weights), adam.clip)
        optimizer.step()
        if callback is not None and (step + 1) % _LISTEN_EVERY == 0:
            callback(Progress(done=step + 1, total=adam.steps, unit="steps"))
    return members


def _gradient(
    evaluate: Evaluator, members: Tensor, train: Examples, unseen: Examples | None, weights: Tensor
) -> Float[Tensor, "P D"]:
    """Of eq. 3: with two classes -log(1 - p) of a label is the cross entropy of the other one."""
    right = evaluate.gradient(members, train.x, train.y)
    if unseen is None:
        return right
    return torch.lerp(right, evaluate.gradient(members, unseen.x, 1 - unseen.y), weights)


def _clipped(gradient: Float[Tensor, "P D"], most: float) -> Float[Tensor, "P D"]:
    return gradient * (most / gradient.norm(dim=1, keepdim=True)).clamp_max(1.0)
