"""The loss of many parameter vectors of any net on one batch, BatchNorm included, in a stated mode."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, vmap

from goodminima.core.checks import check_choice
from goodminima.core.isolation import isolated_rng
from goodminima.population.compiled import CompiledNet
from goodminima.population.parameters import Slot, slots
from goodminima.population.population import cross_entropy, evaluator_of
from goodminima.population.private_copies import PrivateCopies, private_copy
from goodminima.tasks.task import Examples

logger = logging.getLogger(__name__)

MODES = ("eval", "train", "re-estimated")
Loss = Callable[[Float[Tensor, "P D"]], Float[Tensor, "P"]]
Criterion = Callable[[Float[Tensor, "N ..."], Int[Tensor, "N"]], Float[Tensor, "N"]]

_CHUNK_NUMBERS = 16_000_000  # floats in flight a call: 64 MB of parameters and activations
_BatchNorm = nn.modules.batchnorm._BatchNorm


def cross_entropy_of(logits: Float[Tensor, "N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Cross entropy: the criterion unless another is given.

    Args:
        logits: Logits of each example.
        y: Labels, int64, 0 .. C - 1.

    Returns:
        The loss of each example, nats.
    """
    return F.cross_entropy(logits, y, reduction="none")


def loss_of(
    net: nn.Module,
    batch: Examples,
    *,
    batch_norm: str,
    criterion: Criterion = cross_entropy_of,
    statistics: Float[Tensor, "M ..."] | None = None,
) -> Loss:
    """Mean loss of parameter vectors over the batch; for cross entropy in nats per example.

    Many vectors are evaluated in one call. A module that cannot be batched so is evaluated for one vector at a time, and a
    notice is logged; randomness that `eval()` does not turn off is then drawn alike for every vector.

    Args:
        net: Any module; Dropout is off. It is copied, and none of its buffers changes.
        batch: What the loss is computed on, all at once.
        batch_norm: "eval": with the running statistics that the net has; "train": with those of the batch itself, anew
            for every parameter vector; "re-estimated": with running statistics taken anew for every parameter vector, from
            one pass over `statistics`.
        criterion: What the net gives for examples, and their labels -> the loss of each.
        statistics: Inputs that statistics are re-estimated on; the batch's own unless given.

    Returns:
        A function: parameter vectors (P, D) -> their mean losses (P,).

    Raises:
        ValueError: For another mode, or `statistics` in a mode that does not look at them.
    """
    plain = _plain_stack_loss(net, batch, batch_norm, criterion, statistics)
    return plain or partial(_mean_loss, member_loss_of(net, batch, batch_norm, criterion, statistics))


@final
@dataclass(frozen=True, slots=True, eq=False)
class MemberLoss:
    """The losses of one parameter vector: what is batched over many, and differentiated.

    Args:
        copies: Copies that nobody else has, in evaluation mode; one is taken for each evaluation.
        places: Where its parameters lie in a vector.
        parts: The batch, cut into as many examples as one vector takes at once.
        criterion: The loss of each example.
        statistics: Inputs of a pass that takes BatchNorm's statistics first; None for none.
        members: How many vectors fit in a call; one where the net cannot be batched.
    """

    copies: PrivateCopies[nn.Module]
    places: tuple[Slot, ...]
    parts: Sequence[Examples]
    criterion: Criterion
    statistics: Tensor | None
    members: int

    def __call__(self, vector: Float[Tensor, "D"]) -> Float[Tensor, "N"]:
        """Losses of all examples."""
        values = self._parameters(vector)
        with self.copies.borrowed() as net:
            if self.statistics is not None:
                values |= _estimated(net, vector, values, self.statistics)
            return torch.cat([self._of(net, values, part) for part in self.parts])

    def of_part(self, vector: Float[Tensor, "D"], part: Examples) -> Float[Tensor, "N"]:
        """Losses of some examples, with the statistics that the net has.

        Args:
            vector: The parameters.
            part: One of `parts`.

        Returns:
            The loss of each example of the part.
        """
        with self.copies.borrowed() as net:
            return self._of(net, self._parameters(vector), part)

    def _of(self, net: nn.Module, values: Mapping[str, Tensor], part: Examples) -> Tensor:
        return self.criterion(functional_call(net, dict(values), (part.x,)), part.y)

    def _parameters(self, vector: Tensor) -> dict[str, Tensor]:
        return {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in self.places}


def _estimated(
    net: nn.Module, vector: Tensor, parameters: Mapping[str, Tensor], statistics: Tensor
) -> dict[str, Tensor]:
    """Buffers of every BatchNorm after a pass in training mode; with momentum 1 nothing of the old ones is left."""
    layers = {name: module for name, module in net.named_modules() if isinstance(module, _BatchNorm)}
    buffers = {
        f"{name}.{key}": vector.new_zeros(buffer.shape, dtype=buffer.dtype)  # one for each member, as vector is
        for name, layer in layers.items()
        for key, buffer in layer.named_buffers()
    }
    for layer in layers.values():
        layer.train()
        layer.momentum = 1.0
    functional_call(net, {**parameters, **buffers}, (statistics,))
    net.eval()
    return buffers


def member_loss_of(
    net: nn.Module,
    batch: Examples,
    batch_norm: str,
    criterion: Criterion = cross_entropy_of,
    statistics: Float[Tensor, "M ..."] | None = None,
) -> MemberLoss:
    """The losses of one parameter vector at a time; see `loss_of`.

    Args:
        net: Any module. It is copied.
        batch: What the loss is computed on.
        batch_norm: "eval", "train" or "re-estimated".
        criterion: What the net gives for examples, and their labels -> the loss of each.
        statistics: Inputs that statistics are re-estimated on; the batch's own unless given.

    Returns:
        The losses, to be evaluated for a vector or differentiated.

    Raises:
        ValueError: For another mode, or `statistics` in a mode that does not look at them.
    """
    _check_mode(batch_norm, statistics)
    still = private_copy(net).eval().to(batch.x.device)
    couples = batch_norm == "train" and any(isinstance(module, _BatchNorm) for module in still.modules())
    if couples:
        replace_all_batch_norm_modules_(still)  # without running statistics, the batch's own are taken
    each = _numbers_per_example(still, batch.x)
    at_once = len(batch) if couples else max(1, min(len(batch), _CHUNK_NUMBERS // each))
    parts = [Examples(x, y) for x, y in zip(batch.x.split(at_once), batch.y.split(at_once), strict=True)]
    shown = (batch.x if statistics is None else statistics) if batch_norm == "re-estimated" else None
    widest = max(at_once, 0 if shown is None else len(shown))
    places = slots(still)
    members = max(1, _CHUNK_NUMBERS // (places[-1].stop + each * widest))
    loss = MemberLoss(PrivateCopies(still), places, parts, criterion, shown, members)
    return loss if members == 1 or _can_be_batched(loss, still) else replace(loss, members=1)


def _plain_stack_loss(
    net: nn.Module, batch: Examples, batch_norm: str, criterion: Criterion, statistics: Tensor | None
) -> Loss | None:
    """The fast paths of a Population, for a net that has them; such a net has no BatchNorm."""
    _check_mode(batch_norm, statistics)
    still = private_copy(net).eval().to(batch.x.device)
    compiled = CompiledNet.of(still, tuple(batch.x.shape[1:]))
    if compiled.stack is None:
        return None

    def reduce(theta: Tensor, logits: Tensor, rows: slice) -> Tensor:
        if criterion is cross_entropy_of:
            return cross_entropy(logits, batch.y[rows])
        return torch.stack([criterion(each, batch.y[rows]) for each in logits])

    def mean(theta: Tensor) -> Tensor:
        evaluator = evaluator_of(still, theta, compiled.input_shape, compiled=compiled)
        return evaluator.by_chunks(theta, batch.x, reduce).mean(1)

    return mean


def _check_mode(batch_norm: str, statistics: Tensor | None) -> None:
    check_choice("batch_norm", batch_norm, MODES)
    if statistics is not None and batch_norm != "re-estimated":
        raise ValueError(f"statistics are for batch_norm='re-estimated', got batch_norm={batch_norm!r}")


def _mean_loss(loss: MemberLoss, theta: Tensor) -> Tensor:
    if loss.members == 1:
        return torch.stack([_alone(loss, vector).mean() for vector in theta])
    return torch.cat([vmap(loss)(part).mean(1) for part in theta.split(loss.members)])


def _alone(loss: MemberLoss, vector: Tensor) -> Tensor:
    with isolated_rng(0, device=vector.device):
        return loss(vector)


def _can_be_batched(loss: MemberLoss, net: nn.Module) -> bool:
    """Tried on two members and two examples; an error that has nothing to do with batching comes again in the loop."""
    few = Examples(loss.parts[0].x[:2], loss.parts[0].y[:2])
    shown = None if loss.statistics is None else loss.statistics[:2]
    vector = nn.utils.parameters_to_vector(net.parameters()).detach()
    try:
        with torch.no_grad():
            vmap(replace(loss, parts=[few], statistics=shown, members=2))(vector.expand(2, -1))
    except (RuntimeError, TypeError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        logger.warning("%s cannot be batched (%s): evaluating one point at a time", type(net).__name__, why)
        return False
    return True


@torch.no_grad()
def _numbers_per_example(net: nn.Module, x: Tensor) -> int:
    """Floats that the widest layer reads and writes for one example."""
    most = x[0].numel()

    def look(module: nn.Module, inputs: tuple, output: object) -> None:
        nonlocal most
        tensors = [value for value in (*inputs, output) if isinstance(value, Tensor)]
        most = max(most, sum(tensor.numel() for tensor in tensors) // 2)  # of two examples

    hooks = [module.register_forward_hook(look) for module in net.modules()]
    with isolated_rng(device=x.device):
        net(x[:2] if len(x) > 1 else x.repeat(2, *[1] * (x.ndim - 1)))
    for hook in hooks:
        hook.remove()
    return most
