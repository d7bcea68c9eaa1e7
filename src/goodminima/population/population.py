"""Population: many parameter vectors of one net, evaluated at once."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, vmap

from goodminima.population import batched
from goodminima.population.normalise import norm_product
from goodminima.population.parameters import num_parameters, slots
from goodminima.population.stack import stack_of

_CHUNK_NUMBERS = 4_000_000  # floats in flight per chunk: 16 MB, of the order of a second-level cache


@final
@dataclass(frozen=True)
class Population:
    """P parameter vectors of one net.

    Stacks of Linear, Conv2d, ReLU, pooling and Flatten run as batched matrix products; any other module through
    `torch.func`. Members and examples are taken in chunks chosen from memory.

    Args:
        net: The net; its own parameters are ignored.
        theta: (P, D), one member a row, in the order of `net.named_parameters()`.

    >>> net = nn.Linear(2, 3)
    >>> Population(net, torch.zeros(5, 9)).logits(torch.ones(4, 2)).shape
    torch.Size([5, 4, 3])
    """

    net: nn.Module
    theta: Float[Tensor, "P D"]

    def __post_init__(self) -> None:
        wanted = num_parameters(self.net)
        if self.theta.ndim != 2 or self.theta.shape[1] != wanted:
            raise ValueError(f"Population.theta must have shape (P, {wanted}), got {tuple(self.theta.shape)}")

    def __len__(self) -> int:
        return len(self.theta)

    def __getitem__(self, members: slice | Tensor) -> "Population":
        """Some of the members, by slice, mask or indices."""
        return Population(self.net, self.theta[members])

    def member(self, index: int) -> nn.Module:
        """One member as an ordinary module, a copy."""
        net = copy.deepcopy(self.net)
        nn.utils.vector_to_parameters(self.theta[index].detach().clone(), net.parameters())
        return net

    def logits(self, x: Float[Tensor, "N ..."]) -> Float[Tensor, "P N C"]:
        """Logits of every member on every example. Differentiable in `theta`. Cost: P N forward passes."""
        return self._by_chunks(x, lambda theta, logits, rows: logits)

    def loss(
        self, x: Float[Tensor, "N ..."], y: Int[Tensor, "N"], *, normalised: bool = False
    ) -> Float[Tensor, "P"]:
        """Mean cross entropy in nats per example; with `normalised`, of the logits divided by the norm product."""

        def per_example(theta: Tensor, logits: Tensor, rows: slice) -> Tensor:
            if normalised:
                logits = logits / norm_product(self.net, theta)[:, None, None]
            return cross_entropy(logits, y[rows])

        return self._by_chunks(x, per_example).mean(dim=1)

    def accuracy(self, x: Float[Tensor, "N ..."], y: Int[Tensor, "N"]) -> Float[Tensor, "P"]:
        """Fraction of examples whose largest logit is their label's."""
        hits = self._by_chunks(x, lambda theta, logits, rows: logits.argmax(2) == y[rows])
        return hits.to(self.theta.dtype).mean(dim=1)

    def margin(self, x: Float[Tensor, "N ..."], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
        """The label's logit minus the largest other one, per member and example."""
        return self._by_chunks(x, lambda theta, logits, rows: margins(logits, y[rows]))

    def norm_product(self) -> Float[Tensor, "P"]:
        """What normalised losses divide the logits by."""
        return norm_product(self.net, self.theta)

    def _by_chunks(self, x: Tensor, reduce: Callable[[Tensor, Tensor, slice], Tensor]) -> Tensor:
        """`reduce(theta, logits, rows)` of each chunk of members and examples, put together again."""
        if not len(x) or not len(self):
            raise ValueError(f"Population: nothing to evaluate: {len(self)} members, {len(x)} examples")
        evaluator = evaluator_of(self.net, tuple(x.shape[1:]))
        examples = max(1, min(len(x), _CHUNK_NUMBERS // evaluator.numbers_per_example))
        members = max(1, _CHUNK_NUMBERS // (evaluator.numbers_per_example * examples + self.theta.shape[1]))
        lines = []
        for theta in self.theta.split(members):
            starts = range(0, len(x), examples)
            parts = [slice(start, min(start + examples, len(x))) for start in starts]
            lines.append(torch.cat([reduce(theta, evaluator.logits(theta, x[rows]), rows) for rows in parts], dim=1))
        return torch.cat(lines)


@final
@dataclass(frozen=True, slots=True)
class Evaluator:
    """How one net is evaluated for many members: the function, and the memory one member takes per example."""

    logits: Callable[[Tensor, Tensor], Tensor]
    numbers_per_example: int


def evaluator_of(net: nn.Module, shape: tuple[int, ...]) -> Evaluator:
    """The fastest evaluator that can run `net` on examples of one shape."""
    stack = stack_of(net)
    if stack is not None:
        return Evaluator(partial(batched.logits, stack), batched.numbers_per_example(stack, shape))
    return Evaluator(partial(_vmapped_logits, net), max(num_parameters(net), torch.Size(shape).numel()))


def _vmapped_logits(net: nn.Module, theta: Tensor, x: Tensor) -> Tensor:
    places = slots(net)

    def one(vector: Tensor) -> Tensor:
        parameters = {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in places}
        return functional_call(net, parameters, (x,))

    return vmap(one)(theta)


def cross_entropy(logits: Float[Tensor, "P N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
    """Cross entropy of each member on each example, nats."""
    return F.cross_entropy(logits.movedim(2, 1), y.expand(len(logits), -1), reduction="none")


def margins(logits: Float[Tensor, "P N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
    """The label's logit minus the largest other one; positive where, and only where, the example is classified right.

    >>> margins(torch.tensor([[[3.0, 1.0, 2.0]]]), torch.tensor([0]))
    tensor([[1.]])
    """
    label = y.expand(len(logits), -1).unsqueeze(2)  # (P, N, 1)
    others = logits.scatter(2, label, float("-inf")).amax(2)
    return logits.gather(2, label).squeeze(2) - others
