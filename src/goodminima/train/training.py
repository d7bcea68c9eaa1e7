"""One training under way: its net, optimizer, random numbers and history, which can be written down and taken up again."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, cast, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.isolation import isolated_rng
from goodminima.core.progress import Callback, Progress
from goodminima.core.streams import stream
from goodminima.tasks.task import Examples, Task
from goodminima.train.batches import Batches, channels_last
from goodminima.train.recipe import Recipe, set_lr

Objective = Callable[[nn.Module, Examples, int], Tensor]  # (net, batch, number of the step) -> what is made small

_CHUNK = 500  # examples that are measured at once
_RANDOM = 2**32 - 1  # the word of dropout's stream; epochs have their own numbers


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What was measured after an epoch, in `eval` mode and on whole splits.

    Args:
        number: Epochs done.
        steps: Steps done.
        loss: Mean cross entropy of the training examples, nats.
        train_accuracy: Fraction of the training examples that are right.
        test_loss: As `loss`, of the test examples; None where they were not looked at.
        test_accuracy: As `train_accuracy`, likewise.
    """

    number: int
    steps: int
    loss: float
    train_accuracy: float
    test_loss: float | None = None
    test_accuracy: float | None = None


def fitted(epoch: Epoch) -> bool:
    """Whether every training example is right: a rule to stop by.

    Args:
        epoch: What was measured.

    Returns:
        Whether the accuracy on the training examples is 1.
    """
    return epoch.train_accuracy == 1.0


@final
class Training:
    """A net on its way. The net is changed, and moved to the device.

    Args:
        net: What is trained.
        task: Its data, on the device.
        recipe: How.
        seed: Decides order, crops, mirror images and dropout.
        objective: What a step makes smaller.
        device: Where it all lives.
    """

    def __init__(
        self, net: nn.Module, task: Task, *, recipe: Recipe, seed: int, objective: Objective, device: str
    ) -> None:
        self.net, self.task, self.recipe, self._seed = net.to(device), task, recipe, seed
        self._device = torch.device(device)
        self.epochs, self.over = 0, False
        self.history: list[Epoch] = []
        by_pixel = _takes_channels_last(self.net, task.train.x)
        if by_pixel:
            _lay_out(self.net, torch.channels_last)
            train, test = (Examples(channels_last(split.x), split.y) for split in (task.train, task.test))
            self.task = replace(task, train=train, test=test)
        self._optimizer = recipe.optimizer.build(self.net, weight_decay=recipe.weight_decay)
        self._objective = objective
        self._model = cast(nn.Module, torch.compile(self.net)) if recipe.compiled else self.net
        self._batches = Batches(
            self.task.train.x,
            batch_size=recipe.batch_size,
            augment=recipe.augment,
            seed=seed,
            channels_last=by_pixel,
        )

    @property
    def steps(self) -> int:
        """Steps done."""
        return self.epochs * self._batches.per_epoch

    @contextmanager
    def random_numbers_of_its_own(self) -> Iterator[None]:
        """Inside the `with`, PyTorch's generators are this training's; what they were comes back after it.

        Yields:
            None.
        """
        with isolated_rng(int(stream(self._seed, _RANDOM).integers(2**63)), device=self._device):
            yield

    def epoch(self, callback: Callback | None) -> None:
        """One pass over the training examples.

        Args:
            callback: Called after each step with a `Progress` in examples; None for nobody.

        Raises:
            ValueError: When the loss is not finite any more.
        """
        steps, loss = self.recipe.epochs * self._batches.per_epoch, torch.zeros(())
        seen, wanted = self.epochs * self._batches.examples, self.recipe.epochs * self._batches.examples
        self.net.train()
        for step, (rows, x) in enumerate(self._batches.of(self.epochs), start=self.steps):
            set_lr(self._optimizer, self.recipe.lr(step / steps))
            loss = self._step(Examples(x, self.task.train.y[rows]), step)
            seen += len(x)
            if callback is not None:
                callback(Progress(done=seen, total=wanted, unit="examples"))
        if not math.isfinite(loss.item()):
            lr = self.recipe.optimizer.lr
            raise ValueError(f"fit: the loss is {loss.item()} in epoch {self.epochs}: lower lr, now {lr}, or clip")
        self.epochs += 1

    def measure(self, *, test: bool) -> Epoch:
        """Measures the net as it is, and adds that to the history.

        Args:
            test: Whether the test split is measured too.

        Returns:
            What was measured.
        """
        self.net.eval()
        loss, accuracy = loss_and_accuracy(self.net, self.task.train)
        of_test = loss_and_accuracy(self.net, self.task.test) if test else (None, None)
        self.history.append(
            Epoch(
                number=self.epochs,
                steps=self.steps,
                loss=loss,
                train_accuracy=accuracy,
                test_loss=of_test[0],
                test_accuracy=of_test[1],
            )
        )
        return self.history[-1]

    def state(self) -> dict[str, Any]:
        """All that going on takes; of a training that is over, what it found.

        Returns:
            Tensors and numbers by name, as `Checkpoint` keeps them.
        """
        found = {
            "net": self.net.state_dict(),
            "history": json.dumps([asdict(epoch) for epoch in self.history]),
            "epochs": self.epochs,
            "over": self.over,
        }
        if self.over:
            return found
        return found | {"optimizer": self._optimizer.state_dict(), "random": _random_state(self._device)}

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Takes up what `state` wrote down; inside `random_numbers_of_its_own`.

        Args:
            state: What `state` gave.
        """
        self.net.load_state_dict(state["net"])
        self.history = [Epoch(**epoch) for epoch in json.loads(state["history"])]
        self.epochs, self.over = state["epochs"], state["over"]
        if not self.over:
            self._optimizer.load_state_dict(state["optimizer"])
            _set_random_state(state["random"], self._device)

    def finished_net(self) -> nn.Module:
        """The net as others take it.

        Returns:
            The net itself, in `eval` mode and in plain memory: not everybody takes channels-last parameters.
        """
        self.net.zero_grad(set_to_none=True)
        return _lay_out(self.net, torch.contiguous_format).eval()

    def _step(self, batch: Examples, step: int) -> Float[Tensor, ""]:
        """One step of the optimizer; the loss before it."""

        def closure() -> Tensor:
            self._optimizer.zero_grad(set_to_none=True)
            with self._precision():
                loss = self._objective(self._model, batch, step)
            loss.backward()
            if self.recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
            return loss

        loss = self._optimizer.step(closure)  # pyright: ignore[reportCallIssue, reportArgumentType]  # stubs want a float
        return torch.as_tensor(loss).detach()

    def _precision(self) -> AbstractContextManager[Any]:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)


@torch.no_grad()
def loss_and_accuracy(net: nn.Module, examples: Examples) -> tuple[float, float]:
    """Measures a net on a split.

    Args:
        net: The net, in `eval` mode.
        examples: The split, on the device of the net.

    Returns:
        Mean cross entropy in nats per example, and the fraction of the examples that are right.
    """
    loss = right = 0.0
    for x, y in zip(examples.x.split(_CHUNK), examples.y.split(_CHUNK), strict=True):
        logits = net(x)
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        right += (logits.argmax(1) == y).sum().item()
    return loss / len(examples), right / len(examples)


@isolated_rng()
@torch.no_grad()
def _takes_channels_last(net: nn.Module, x: Tensor) -> bool:
    """Whether a net has convolutions of images, and nothing in it that wants other memory, such as `view`."""
    if x.ndim != 4 or not any(isinstance(module, nn.Conv2d) for module in net.modules()):
        return False
    was_training = net.training
    try:
        _lay_out(net, torch.channels_last).eval()(channels_last(x[:2]))
    except RuntimeError:
        return False
    finally:
        _lay_out(net, torch.contiguous_format).train(was_training)
    return True


def _lay_out(net: nn.Module, memory: torch.memory_format) -> nn.Module:
    return net.to(memory_format=memory)  # pyright: ignore[reportCallIssue]  # stubs know modules by device alone


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
