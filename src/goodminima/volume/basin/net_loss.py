"""The loss of many parameter vectors of any net on one batch, BatchNorm included, in a stated mode."""

import copy
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_, vmap

from goodminima.population.parameters import slots
from goodminima.population.population import Population, cross_entropy
from goodminima.population.stack import stack_of
from goodminima.tasks.task import Examples
from goodminima.volume.basin.choices import check_choice

_MODES = ("eval", "train")
Loss = Callable[[Float[Tensor, "P D"]], Float[Tensor, "P"]]

_CHUNK_NUMBERS = 16_000_000  # floats in flight a call: 64 MB of parameters and activations


def loss_of(net: nn.Module, batch: Examples, *, batch_norm: str) -> Loss:
    """Mean cross entropy of parameter vectors over the batch, nats per example.

    Args:
        net: Any module; Dropout is off. It is copied, and none of its buffers changes.
        batch: What the loss is computed on, all at once.
        batch_norm: "eval": with the running statistics that the net has; "train": with those of the batch itself, anew
            for every parameter vector.

    Raises:
        ValueError: For another mode.
    """
    check_choice("batch_norm", batch_norm, _MODES)
    still = copy.deepcopy(net).eval().to(batch.x.device)
    if stack_of(still) is not None:
        return lambda theta: Population(still, theta).loss(batch.x, batch.y)
    couples = batch_norm == "train" and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in still.modules())
    if couples:
        replace_all_batch_norm_modules_(still)  # without running statistics, the batch's own are taken
    per_example = _numbers_per_example(still, batch.x)
    at_once = len(batch) if couples else max(1, min(len(batch), _CHUNK_NUMBERS // per_example))
    return partial(_mean_loss, still, batch, at_once, per_example)


def _mean_loss(net: nn.Module, batch: Examples, at_once: int, per_example: int, theta: Tensor) -> Tensor:
    places = slots(net)

    def logits(vector: Tensor, x: Tensor) -> Tensor:
        return functional_call(
            net, {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in places}, (x,)
        )

    members = max(1, _CHUNK_NUMBERS // (theta.shape[1] + per_example * at_once))
    losses = [
        torch.cat(
            [
                cross_entropy(vmap(logits, in_dims=(0, None))(part, x), y)
                for x, y in zip(batch.x.split(at_once), batch.y.split(at_once), strict=True)
            ],
            dim=1,
        ).mean(1)
        for part in theta.split(members)
    ]
    return torch.cat(losses)


def _numbers_per_example(net: nn.Module, x: Tensor) -> int:
    """Floats that the widest layer reads and writes for one example."""
    most = x[0].numel()

    def look(module: nn.Module, inputs: tuple, output: object) -> None:
        nonlocal most
        tensors = [value for value in (*inputs, output) if isinstance(value, Tensor)]
        most = max(most, sum(tensor.numel() for tensor in tensors) // 2)  # of two examples

    hooks = [module.register_forward_hook(look) for module in net.modules()]
    net(x[:2] if len(x) > 1 else x.repeat(2, *[1] * (x.ndim - 1)))
    for hook in hooks:
        hook.remove()
    return most
