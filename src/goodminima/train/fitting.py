"""Training one net on one task, by a recipe; killed and started again, it ends in the same weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast, final

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from goodminima.core.checkpoint import Checkpoint, digest
from goodminima.core.identity import architecture_of, text_of, weights_of
from goodminima.core.progress import Callback
from goodminima.population.private_copies import private_copy
from goodminima.tasks.task import Examples, Task
from goodminima.train.recipe import Recipe
from goodminima.train.training import Epoch, Objective, Training

N = TypeVar("N", bound=nn.Module)


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fit(Generic[N]):
    """A trained net, in `eval` mode, and its history.

    Args:
        net: A trained copy of the start.
        history: What was measured, epoch by epoch; the last is that of `net`.
    """

    net: N
    history: tuple[Epoch, ...]

    @property
    def last(self) -> Epoch:
        """What was measured of `net` itself."""
        return self.history[-1]

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self.last.steps

    @property
    def epochs(self) -> Int64[np.ndarray, "E"]:
        """The epochs after which the net was measured."""
        return np.array([epoch.number for epoch in self.history], dtype=np.int64)

    @property
    def loss(self) -> Float64[np.ndarray, "E"]:
        """Mean cross entropy of the training examples after each, nats."""
        return np.array([epoch.loss for epoch in self.history], dtype=np.float64)

    @property
    def train_accuracy(self) -> Float64[np.ndarray, "E"]:
        """Fraction of the training examples right after each."""
        return np.array([epoch.train_accuracy for epoch in self.history], dtype=np.float64)

    @property
    def test_loss(self) -> Float64[np.ndarray, "E"]:
        """Mean cross entropy of the test examples after each; NaN where they were not looked at."""
        return np.array([epoch.test_loss for epoch in self.history], dtype=np.float64)

    @property
    def test_accuracy(self) -> Float64[np.ndarray, "E"]:
        """Fraction of the test examples right after each; NaN where they were not looked at."""
        return np.array([epoch.test_accuracy for epoch in self.history], dtype=np.float64)


def fit(
    net: N,
    data: Task,
    *,
    recipe: Recipe,
    seed: int,
    objective: Objective | None = None,
    evaluate_every: int = 1,
    evaluate: bool = True,
    stop_when: Callable[[Epoch], bool] | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 5,
    device: str = "cpu",
    callback: Callback | None = None,
) -> Fit[N]:
    """Trains a copy of a net.

    With one thread on a CPU the result is a function of the arguments, bit by bit, whether or not the training was killed
    and started again on the way.

    Args:
        net: Where training starts; it is not changed. BatchNorm and dropout do while training what they do.
        data: What is learned from, and what is measured.
        recipe: How.
        seed: At least 0. Decides order, crops, mirror images and dropout.
        objective: What a step makes smaller: a function of the net, the batch and the number of the step, from 0. What is
            random in it has to be drawn from `stream(seed, step)`. The mean cross entropy by default.
        evaluate_every: Epochs between two measurements; 0 for the last epoch alone.
        evaluate: Whether the test split is measured as well.
        stop_when: Ends the training when it is true of what was just measured: `fitted`, say.
        checkpoint: A file that the training is kept in. If it holds all of it, nothing is trained; if it holds a part, training
            goes on from there. None to keep nothing. A training is known by its net, objective and `stop_when`, code and
            contents, and by all other arguments; what cannot be read needs an `identity` (see `goodminima.core.identity`).
        checkpoint_every: Epochs between two writings of the file; fewer, where writing takes more than 5 % of the time.
        device: Where it is trained.
        callback: Called after each step with a `Progress` in examples.

    Returns:
        The trained copy, in `eval` mode, and what was measured on the way.

    Raises:
        ValueError: For a recipe that does not fit the net or the data, when the loss is not finite any more, or where
            `checkpoint` is given and net, objective or `stop_when` cannot be told from others for sure.
        OtherTraining: `checkpoint` holds a training of another net, from another start, by another recipe, on other data.

    Cost: three forward passes of the training set an epoch, and one of both splits a measurement.
    """
    if evaluate_every < 0 or checkpoint_every < 1:
        raise ValueError(
            f"fit: evaluate_every must be at least 0 and checkpoint_every at least 1, got {evaluate_every} and {checkpoint_every}"
        )
    start, file = private_copy(net), None
    if checkpoint is not None:
        asked = {
            "objective": text_of(objective, name="objective"),
            "stop_when": text_of(stop_when, name="stop_when"),
            "evaluate": str(evaluate),
            "evaluate_every": str(evaluate_every),
        }
        file = Checkpoint(checkpoint, asked | _identity(start, data, recipe, seed, device))
    training = Training(
        start,
        data.to(device),
        recipe=recipe,
        seed=seed,
        objective=objective or _cross_entropy,
        device=device,
    )
    with training.random_numbers_of_its_own():
        stored = None if file is None else file.read()
        if stored is not None:
            training.go_on_from(stored)
        while not training.over:
            training.epoch(callback)
            training.over = training.epochs == recipe.epochs
            if training.over or (evaluate_every and training.epochs % evaluate_every == 0):
                measured = training.measure(test=evaluate)
                training.over |= stop_when is not None and stop_when(measured)
            if file is not None and (training.over or training.epochs % checkpoint_every == 0):
                file.write(training.state(), at_once=training.over)
    return Fit(net=cast(N, training.finished_net()), history=tuple(training.history))


def _cross_entropy(net: nn.Module, batch: Examples, step: int) -> Tensor:
    return F.cross_entropy(net(batch.x), batch.y)


def _identity(net: nn.Module, task: Task, recipe: Recipe, seed: int, device: str) -> dict[str, str]:
    """All that decides a training, as texts that differ when it does; puts the net in training mode."""
    splits = [split for split in (task.train, task.test, task.extra) if split is not None]
    return {
        "recipe": repr(recipe),
        "recipe's options": text_of(recipe.optimizer.options, name="recipe.optimizer.options"),
        "seed": str(seed),
        "net": architecture_of(net.train(), name="net"),  # as it is while training, whatever mode it came in
        "start": weights_of(net),
        "task": digest(tensor for split in splits for tensor in (split.x, split.y)),
        "device": device,
    }
