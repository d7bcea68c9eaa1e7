"""What optimizers without gradients share: tries until one lowers the closure's loss, failures that halve the step."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from goodminima.search.local import AbstractPerturbations

Closure = Callable[[], Any]
Undo = Callable[[], None]

_SEARCH = "search"  # the key of what belongs to no single parameter
_AHEAD = 64  # moves looked up at a time


class DirectSearch(Optimizer):
    """Tries changes of the parameters and keeps the first that lowers the loss that the closure returns.

    The closure is called without gradients and must not call `backward`. The loss is taken anew at the beginning of each
    step, so that every step may have its own batch. All that the next step depends on is in `state` and `param_groups`:
    `state_dict` resumes a search bit for bit.

    Args:
        params: Tensors, or groups of them with a step size of their own.
        size: Name of the step size in a group.
        value: Its default.
        seed: Seed of the tries.
        max_tries: Most tries a step; None for all that are left of the pass.

    Raises:
        ValueError: If `max_tries` is below 1, or a step size is not positive and finite.
    """

    def __init__(self, params: Iterable[Any], *, size: str, value: float, seed: int, max_tries: int | None) -> None:
        if max_tries is not None and max_tries < 1:
            raise ValueError(f"{type(self).__name__}: max_tries must be at least 1, or None, got {max_tries}")
        self._size, self._seed, self._max_tries = size, seed, max_tries
        super().__init__(params, {size: value})
        self._begin()

    @abstractmethod
    def _first_moves(self, num_parameters: int, seed: int) -> AbstractPerturbations:
        """The moves of a search that has not begun."""

    @abstractmethod
    def _packed(self, moves: AbstractPerturbations) -> dict[str, Any]:
        """The moves as `state_dict` keeps them."""

    @abstractmethod
    def _unpacked(self, packed: dict[str, Any]) -> AbstractPerturbations:
        """The moves that `_packed` packed."""

    @abstractmethod
    def _apply(self, move: int) -> Undo:
        """Changes the parameters; what it returns changes them back, bit for bit."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group. The search begins anew, for its moves are others now.

        Args:
            param_group: As for any optimizer of PyTorch.

        Raises:
            ValueError: If its step size is not positive and finite.
        """
        value = param_group.get(self._size, self.defaults[self._size])
        if not 0 < value < math.inf:
            raise ValueError(f"{type(self).__name__}: {self._size} must be positive and finite, got {value}")
        super().add_param_group(param_group)
        if _SEARCH in self.state:
            self._begin()

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Tries moves up to the first improvement, `max_tries` or the end of the pass; then the step size is halved.

        Args:
            closure: Returns the loss of the parameters as they are.

        Returns:
            What the closure returned for the parameters as they are now.

        Raises:
            ValueError: Without a closure. Whatever the closure raises is passed on, the parameters as before the step.
        """
        if closure is None:
            raise ValueError(f"{type(self).__name__}.step needs a closure that returns the loss: opt.step(lambda: ...)")
        moves, failures = self._unpacked(self._search), self._search["failures"]
        room = min(moves.span - failures, self._max_tries or moves.span)
        loss = closure()
        least = _number(loss)
        for tried, move in enumerate(_ahead(moves, room), start=1):
            better = self._better(closure, move, least)
            if better is not None:
                self._keep(moves.after(tried, accepted=True, halved=False), failures=0)
                return better
        halved = failures + room == moves.span
        self._keep(moves.after(room, accepted=False, halved=halved), failures=0 if halved else failures + room)
        if halved:
            for group in self.param_groups:
                group[self._size] /= 2
        return loss

    def _better(self, closure: Closure, move: int, least: float) -> Any | None:
        """What the closure returns behind a move if that is an improvement; else the parameters are as before."""
        undo, improved = self._apply(move), False
        try:
            loss = closure()
            improved = _number(loss) < least
        finally:
            if not improved:
                undo()
        return loss if improved else None

    @property
    def _search(self) -> dict[str, Any]:
        return cast(dict[Any, Any], self.state)[_SEARCH]

    def _parameters(self) -> Iterator[tuple[Tensor, float]]:
        """Every parameter with its step size."""
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group[self._size]

    def _begin(self) -> None:
        total = sum(parameter.numel() for parameter, _ in self._parameters())
        self._keep(self._first_moves(total, self._seed), failures=0)

    def _keep(self, moves: AbstractPerturbations, *, failures: int) -> None:
        cast(dict[Any, Any], self.state)[_SEARCH] = {"failures": failures, **self._packed(moves)}


def _ahead(moves: AbstractPerturbations, room: int) -> Iterator[int]:
    while room > 0:
        count = min(room, _AHEAD)
        yield from moves.names(count).tolist()
        moves, room = moves.after(count, accepted=False, halved=False), room - count


def _number(loss: Any) -> float:
    """The loss as a number; what is not a number counts as infinite, so that anything finite is an improvement."""
    value = float(loss)
    return math.inf if math.isnan(value) else value
