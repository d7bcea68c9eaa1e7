"""Population: many parameter vectors of one net, evaluated at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, vmap

from goodminima.population import batched
from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine, unknown_layers
from goodminima.population.normalise import norm_product
from goodminima.population.parameters import Slot, num_parameters, slots
from goodminima.population.private_copies import PrivateCopies, private_copy
from goodminima.population.stack import num_outputs

_CHUNK_NUMBERS = 4_000_000  # floats in flight a call: 16 MB, small enough to be recycled rather than mapped anew
MARGIN_SLACK = 1e-4  # float32 margins, relative to the largest |logit|, are good to about 1e-6
_TILE_NUMBERS = 1_000_000  # floats that one member's share of a call takes
_LEAST_MEMBERS = 4  # members fill the 16 lanes of a register; with fewer PyTorch may be faster, on large nets


_STATEFUL = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


@final
@dataclass(frozen=True)
class Population:
    """P parameter vectors of one net.

    Stacks of Linear, Conv2d, ReLU, pooling and Flatten run in the compiled kernel where there is one, and as batched matrix
    products where there is none or where gradients are asked for; any other module runs through `torch.func`. Members and
    examples are taken in chunks chosen from memory, which change no result.

    Args:
        net: The net; its own parameters are ignored. It is copied when members are first evaluated, and never touched.
        theta: (P, D), one member a row, in the order of `net.named_parameters()`.

    Raises:
        ValueError: If `theta` has not a column for each parameter of the net.

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
        """One member as an ordinary module.

        Args:
            index: Its row.

        Returns:
            A copy of the net with the member's parameters.
        """
        net = private_copy(self.net)
        nn.utils.vector_to_parameters(self.theta[index].detach().clone(), net.parameters())
        return net

    def logits(self, x: Float[Tensor, "N ..."]) -> Float[Tensor, "P N C"]:
        """Logits of every member on every example; differentiable in `theta`.

        Args:
            x: N inputs of the net.

        Returns:
            C logits per member and example.

        Cost: P N forward passes.
        """
        return self._by_chunks(x, lambda theta, logits, rows: logits)

    def loss(self, x: Float[Tensor, "N ..."], y: Int[Tensor, "N"], *, normalised: bool = False) -> Float[Tensor, "P"]:
        """Mean cross entropy of every member; differentiable in `theta`.

        Args:
            x: N inputs of the net.
            y: Their labels, int64, 0 .. C - 1.
            normalised: Whether logits are divided by `norm_product` first.

        Returns:
            Mean loss of each member, nats per example.

        Cost: P N forward passes.
        """

        def per_example(theta: Tensor, logits: Tensor, rows: slice) -> Tensor:
            if normalised:
                logits = logits / norm_product(self.net, theta)[:, None, None]
            return cross_entropy(logits, y[rows])

        return self._by_chunks(x, per_example).mean(dim=1)

    def accuracy(self, x: Float[Tensor, "N ..."], y: Int[Tensor, "N"]) -> Float[Tensor, "P"]:
        """Accuracy of every member. An example is right whose label has the largest logit; a tie counts as wrong.

        Examples whose margin is within the error of float32 are looked at again in float64, so that the fraction is the
        same on every path and device.

        Args:
            x: N inputs of the net.
            y: Their labels, int64, 0 .. C - 1.

        Returns:
            Fraction of the examples that each member has right.

        Cost: P N forward passes.
        """
        margins = self._by_chunks(x, lambda theta, logits, rows: relative_margins(logits, y[rows]))
        right = margins > 0
        if self.theta.dtype == torch.float32:
            members, examples = (margins.abs() <= MARGIN_SLACK).nonzero(as_tuple=True)
            for member in members.unique():
                rows = examples[members == member]
                again = Population(self.net, self.theta[member : member + 1].double())
                right[member, rows] = again.margin(x[rows].double(), y[rows])[0] > 0
        return right.double().mean(dim=1).to(self.theta.dtype)

    def margin(self, x: Float[Tensor, "N ..."], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
        """How far ahead the label's logit is on every example.

        Args:
            x: N inputs of the net.
            y: Their labels, int64, 0 .. C - 1.

        Returns:
            The label's logit minus the largest other one, per member and example; positive where it is right.

        Cost: P N forward passes.
        """
        return self._by_chunks(x, lambda theta, logits, rows: margins(logits, y[rows]))

    def norm_product(self) -> Float[Tensor, "P"]:
        """What normalised losses divide the logits by: the product of the norms of the weights, each over the net's unit.

        Returns:
            The product of each member.
        """
        return norm_product(self.net, self.theta)

    def _by_chunks(self, x: Tensor, reduce: Callable[[Tensor, Tensor, slice], Tensor]) -> Tensor:
        """`reduce(theta, logits, rows)` of each chunk of members and examples, put together again."""
        if not len(x) or not len(self):
            raise ValueError(f"Population: nothing to evaluate: {len(self)} members, {len(x)} examples")
        evaluator = evaluator_of(self.net, self.theta, tuple(x.shape[1:]), copies=lambda: self._copies)
        return evaluator.by_chunks(self.theta, x, reduce)

    @cached_property
    def _copies(self) -> PrivateCopies[nn.Module]:
        """Of the net, for all evaluations of these members: copying takes as long as evaluating a small net."""
        return _copies_for(self.net, self.theta)


@final
@dataclass(frozen=True, slots=True)
class Evaluator:
    """How one net is evaluated for many members.

    Args:
        logits: (members (P, D), examples (N, ...)) -> (P, N, C).
        gradient: (members (P, D), examples (N, ...), labels (N,)) -> (P, D), of the mean cross entropy of each member.
        numbers_per_member: Floats that a member takes whatever the examples.
        numbers_per_example: Floats that a member takes for each example.
        examples: Most examples a call. It depends on the net alone: matrix products of other shapes round differently,
            and no result may depend on how many members share a call.
    """

    logits: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor]
    numbers_per_member: int
    numbers_per_example: int
    examples: int

    def by_chunks(
        self, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."], reduce: Callable[[Tensor, Tensor, slice], Tensor]
    ) -> Tensor:
        """Evaluates members on examples in chunks that fit in memory.

        Args:
            theta: A member a row.
            x: N inputs of the net.
            reduce: (theta, logits, rows) -> (members, examples, ...), of one chunk; `rows` says which examples it has.

        Returns:
            What `reduce` made of all chunks, put together: (P, N, ...).
        """
        examples = min(len(x), self.examples)
        members = max(1, _CHUNK_NUMBERS // (self.numbers_per_example * examples + self.numbers_per_member))
        rows = [slice(start, min(start + examples, len(x))) for start in range(0, len(x), examples)]
        lines = [
            torch.cat([reduce(part, self.logits(part, x[some]), some) for some in rows], dim=1)
            for part in theta.split(members)
        ]
        return torch.cat(lines)


def evaluator_of(
    net: nn.Module,
    theta: Float[Tensor, "P D"],
    shape: tuple[int, ...],
    *,
    compiled: CompiledNet | None = None,
    copies: Callable[[], PrivateCopies[nn.Module]] | None = None,
) -> Evaluator:
    """The fastest evaluator that can run these members of `net` on examples of one shape; many threads may share it.

    Args:
        net: The net. It is not touched.
        theta: The members.
        shape: Of one example.
        compiled: The net, compiled for that shape: whoever asks again and again compiles it once. Compiled here unless given.
        copies: Gives what a net that is no stack is evaluated in; copies of its own unless given.

    Returns:
        How they are evaluated.

    Raises:
        ValueError: If the net is no stack and has Dropout or BatchNorm in training mode.
    """
    compiled = compiled or CompiledNet.of(net, shape)
    stack = compiled.stack
    if stack is None or unknown_layers(StackEngine.BATCHED, stack):
        if net.training and any(isinstance(module, _STATEFUL) for module in net.modules()):
            raise ValueError(f"{type(net).__name__} has Dropout or BatchNorm in training mode: call net.eval() first")
        own = _copies_for(net, theta) if copies is None else copies()
        forward, numbers = partial(_vmapped_logits, own, slots(net)), max(theta.shape[1], torch.Size(shape).numel())
    else:
        forward, numbers = partial(batched.logits, stack), batched.numbers_per_example(stack, shape)
    evaluator = Evaluator(
        forward, partial(_gradient, forward), theta.shape[1], numbers, max(1, _TILE_NUMBERS // numbers)
    )
    if stack is None or len(theta) < _LEAST_MEMBERS or (theta.requires_grad and torch.is_grad_enabled()):
        return evaluator
    if compiled.supports(StackEngine.GRADIENT, device=theta.device, dtype=theta.dtype):
        evaluator = replace(evaluator, gradient=compiled.gradient)
    if compiled.supports(StackEngine.EVALUATION, device=theta.device, dtype=theta.dtype):
        each = num_outputs(stack)
        evaluator = replace(
            evaluator, logits=compiled.logits, numbers_per_member=1, numbers_per_example=each, examples=_CHUNK_NUMBERS
        )
    return evaluator


def _copies_for(net: nn.Module, theta: Tensor) -> PrivateCopies[nn.Module]:
    """Copies whose buffers go with members of the dtype and on the device of `theta`, where the net is of other ones."""
    own = next(net.parameters())
    return PrivateCopies(net if (own.dtype, own.device) == (theta.dtype, theta.device) else private_copy(net).to(theta))


def _gradient(forward: Callable[[Tensor, Tensor], Tensor], theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = theta.detach().requires_grad_()
        loss = cross_entropy(forward(leaf, x), y).mean(1).sum()  # members share no parameters: one sum serves them all
    return torch.autograd.grad(loss, leaf)[0]


def _vmapped_logits(copies: PrivateCopies[nn.Module], places: tuple[Slot, ...], theta: Tensor, x: Tensor) -> Tensor:
    with copies.borrowed() as net:

        def one(vector: Tensor) -> Tensor:
            parameters = {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in places}
            return functional_call(net, parameters, (x,))

        return vmap(one)(theta)


def cross_entropy(logits: Float[Tensor, "P N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
    """Cross entropy of each member on each example.

    Args:
        logits: Logits of each member on each example.
        y: Labels, int64, 0 .. C - 1.

    Returns:
        The loss per member and example, nats.
    """
    return F.cross_entropy(logits.movedim(2, 1), y.expand(len(logits), -1), reduction="none")


def relative_margins(logits: Float[Tensor, "P N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
    """Margins in units of the example's largest |logit|, which is what rounding errors are relative to.

    Args:
        logits: Logits of each member on each example.
        y: Labels, int64, 0 .. C - 1.

    Returns:
        Margins per member and example, without unit.
    """
    return margins(logits, y) / logits.abs().amax(2).clamp_min(torch.finfo(logits.dtype).tiny)


def margins(logits: Float[Tensor, "P N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "P N"]:
    """The label's logit minus the largest other one.

    Args:
        logits: Logits of each member on each example.
        y: Labels, int64, 0 .. C - 1.

    Returns:
        Margins per member and example; positive where, and only where, the example is classified right.

    >>> margins(torch.tensor([[[3.0, 1.0, 2.0]]]), torch.tensor([0]))
    tensor([[1.]])
    """
    label = y.expand(len(logits), -1).unsqueeze(2)  # (P, N, 1)
    others = logits.scatter(2, label, float("-inf")).amax(2)
    return logits.gather(2, label).squeeze(2) - others
