"""Gradients of one net by several threads, with numbers that do not depend on how many cores there are."""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from goodminima.core.streams import stream
from goodminima.nets.resnet12 import DropBlock


@final
@dataclass(frozen=True, slots=True)
class Share:
    """What one shard of a batch gives: the gradient of its mean loss, that loss, and how many answers were right."""

    gradient: tuple[Tensor, ...]
    loss: float
    right: int


@final
class Shards:
    """A net's gradient, computed on equal parts of each batch, one part a thread, added up in a fixed order.

    PyTorch's own threads split a sum differently on every number of cores. Here the number of parts is part of the
    recipe, and each part runs on one thread: more cores only make it faster. BatchNorm sees one part at a time.

    Args:
        net: Its parameters are read at every call, and its `grad`s written.
        count: Number of parts.
        seed: Of the squares that DropBlock takes out; each part draws its own.
    """

    def __init__(self, net: nn.Module, count: int, *, seed: int = 0) -> None:
        if count < 1:
            raise ValueError(f"Shards: count must be at least 1, got {count}")
        self.net = net
        self.replicas = [copy.deepcopy(net) for _ in range(count)]
        for number, replica in enumerate(self.replicas):
            for ours, theirs in zip(replica.parameters(), net.parameters(), strict=True):
                ours.data = theirs.data  # shared, so that a step of the net is a step of all its replicas
            for position, module in enumerate(replica.modules()):
                if isinstance(module, DropBlock):  # threads that drew from one generator would take turns by chance
                    module.draw_from(int(stream(seed, number, position).integers(2**63)))
        self._threads = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
        self._threads_before = torch.get_num_threads()

    def __enter__(self) -> "Shards":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        torch.set_num_threads(self._threads_before)

    def gradient(self, x: Float[Tensor, "B ..."], y: Int[Tensor, "B"]) -> Share:
        """Sets the net's `grad`s to those of its mean cross entropy over a batch, part by part.

        Args:
            x: Inputs, as many as fill the parts equally.
            y: Their labels, int64.

        Returns:
            The gradient, the mean loss in nats per example, and how many examples were right.

        Raises:
            ValueError: If the batch is no multiple of the number of parts.
        """
        if len(x) % len(self.replicas):
            raise ValueError(f"Shards: a batch of {len(x)} cannot be cut into {len(self.replicas)} equal parts")
        parts = zip(self.replicas, x.chunk(len(self.replicas)), y.chunk(len(self.replicas)), strict=True)
        share = _mean(list(self._threads.map(lambda part: _share(*part), parts)))
        for parameter, gradient in zip(_trained(self.net), share.gradient, strict=True):
            # Laid out as the parameter is: a fused optimizer takes that for granted, and errs in silence otherwise.
            parameter.grad = torch.empty_like(parameter, requires_grad=False).copy_(gradient)
        return share

    @torch.no_grad()
    def collect_buffers(self) -> None:
        """Gives the net the replicas' running statistics, averaged."""
        for buffer, *shards in zip(self.net.buffers(), *(each.buffers() for each in self.replicas), strict=True):
            buffer.copy_(torch.stack(shards).double().mean(0))


def _trained(net: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen."""
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


def _share(replica: nn.Module, x: Tensor, y: Tensor) -> Share:
    logits = replica(x)
    loss = F.cross_entropy(logits, y)
    gradient = torch.autograd.grad(loss, _trained(replica))
    return Share(gradient, float(loss.detach()), int((logits.detach().argmax(1) == y).sum()))


def _mean(shares: Sequence[Share]) -> Share:
    gradient = tuple(torch.stack(parts).mean(0) for parts in zip(*(each.gradient for each in shares), strict=True))
    return Share(gradient, sum(each.loss for each in shares) / len(shares), sum(each.right for each in shares))
