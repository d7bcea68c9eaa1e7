"""L-BFGS with a backtracking line search as a `torch.optim.Optimizer`."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

_STEPS, _CHANGES = "steps", "changes"  # of parameters, and of the gradient along them


@final
class LBFGSArmijo(Optimizer):
    """Quasi-Newton steps d = -H g, each shortened until the loss falls by at least a share of what the slope promises.

    H g comes from the last `history_size` steps s and the changes y of the gradient along them, by the two-loop recursion.
    The line search tries t = lr, lr `shrink`, lr `shrink`^2, ... and takes the first with
    f(theta + t d) <= f(theta) + `decrease` t <g, d>. While there is no history, the first try is no longer than lr in the
    1-norm. A pair (s, y) is kept only if <s, y> exceeds `curvature` |s| |y|, so that H stays positive definite and d a
    descent direction. If no t will do, the history is forgotten, or, if there was none, the parameters stay.

    Both gradients of a pair are those of the closure of one step, so that every step may have its own batch. Trials run
    the net in whatever mode it is in: BatchNorm's running statistics see them too.

    Args:
        params: Tensors; one group.
        lr: Length of the first try, in units of the quasi-Newton step; above 0.
        history_size: Pairs (s, y) that are kept, at least 1.
        max_iter: Quasi-Newton iterations a call of `step`; those after the first need no evaluation to begin with.
        decrease: The share c of the Armijo condition, within (0, 1/2).
        shrink: Factor between two tries, within (0, 1).
        max_tries: Most tries a line search.
        curvature: Least cosine between s and y, at least 0.
        weight_decay: w adds w/2 |theta|^2 to the loss that is searched along.

    Raises:
        ValueError: If an argument is out of its range, or there are several groups.

    Cost: one evaluation with gradient a try, one more a call of `step`; 2 `history_size` + 6 copies of the parameters.

    Reference: Liu, Nocedal 1989, section 2 (the recursion, and its scaling of H); Armijo 1966 (the condition);
        used by Huang et al. 2020, Table 1, with a history of 5.

    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    >>> optimizer = LBFGSArmijo([theta])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = theta.square() @ torch.tensor([1.0, 10.0])
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(10):
    ...     loss = optimizer.step(closure)
    >>> bool(loss < 1e-6)
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        *,
        history_size: int = 5,
        max_iter: int = 1,
        decrease: float = 1e-4,
        shrink: float = 0.5,
        max_tries: int = 20,
        curvature: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "history_size": history_size,
            "max_iter": max_iter,
            "decrease": decrease,
            "shrink": shrink,
            "max_tries": max_tries,
            "curvature": curvature,
            "weight_decay": weight_decay,
        }
        _check(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds the only group there may be.

        Args:
            param_group: As for any optimizer of PyTorch.

        Raises:
            ValueError: If there is one already.
        """
        if self.param_groups:
            raise ValueError("LBFGSArmijo: all parameters share one line search and so one group, got a second one")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """`max_iter` iterations, fewer if a line search from the steepest descent fails.

        Args:
            closure: Clears the gradients, computes the loss of the parameters as they are and its gradients, and returns it.

        Returns:
            What the closure returned first, before the parameters moved.

        Raises:
            ValueError: Without a closure.
        """
        if closure is None:
            raise ValueError(
                "LBFGSArmijo.step needs a closure that computes the loss and its gradients, and returns it"
            )
        (group,) = self.param_groups
        loss = _evaluated(closure)
        value, gradient = self._objective(loss)
        for _ in range(group["max_iter"]):
            here = _flat(group["params"])
            direction = self._direction(gradient)
            found = self._searched(closure, here, direction, value=value, gradient=gradient)
            if found is None:
                if not self._forget():
                    break
                continue
            step, value, after = found
            self._remember(step, after - gradient)
            gradient = after
        return loss

    def _searched(
        self,
        closure: Callable[[], Any],
        here: Float[Tensor, "D"],
        direction: Float[Tensor, "D"],
        *,
        value: float,
        gradient: Float[Tensor, "D"],
    ) -> tuple[Float[Tensor, "D"], float, Float[Tensor, "D"]] | None:
        """The step to the first try that satisfies Armijo's condition, the objective and its gradient there; or None."""
        (group,) = self.param_groups
        slope, accepted = float(gradient @ direction), None
        length = group["lr"] if self._has_history() else group["lr"] / max(1.0, float(gradient.abs().sum()))
        try:
            for _ in range(group["max_tries"] if slope < 0 else 0):
                _put(here + length * direction, group["params"])
                tried, after = self._objective(_evaluated(closure))
                if tried <= value + group["decrease"] * length * slope:  # never true of what is not a number
                    accepted = length * direction, tried, after
                    break
                length *= group["shrink"]
        finally:
            if accepted is None:
                _put(here, group["params"])
        return accepted

    def _objective(self, loss: Any) -> tuple[float, Float[Tensor, "D"]]:
        """Loss with weight decay, and the gradient that `backward` left, in one vector."""
        (group,) = self.param_groups
        params, decay = group["params"], group["weight_decay"]
        gradient = _flat([torch.zeros_like(p) if p.grad is None else p.grad for p in params])
        value = float(loss)
        if decay:
            theta = _flat(params)
            value, gradient = value + decay / 2 * float(theta @ theta), gradient.add_(theta, alpha=decay)
        return value, gradient

    def _direction(self, gradient: Float[Tensor, "D"]) -> Float[Tensor, "D"]:
        if not self._has_history():
            return -gradient
        return -two_loop(gradient, self._history[_STEPS], self._history[_CHANGES])

    @property
    def _history(self) -> dict[str, Tensor]:
        return self.state[self.param_groups[0]["params"][0]]

    def _has_history(self) -> bool:
        return len(self._history.get(_STEPS, ())) > 0

    def _remember(self, step: Float[Tensor, "D"], change: Float[Tensor, "D"]) -> None:
        (group,) = self.param_groups
        if not step @ change > group["curvature"] * step.norm() * change.norm():
            return
        for name, newest in ((_STEPS, step), (_CHANGES, change)):
            before = self._history.get(name, newest.new_empty(0, len(newest)))
            self._history[name] = torch.cat([before, newest[None]])[-group["history_size"] :]

    def _forget(self) -> bool:
        """Whether there was anything to forget."""
        had = self._has_history()
        self._history.clear()
        return had


def two_loop(
    gradient: Float[Tensor, "D"], steps: Float[Tensor, "K D"], changes: Float[Tensor, "K D"]
) -> Float[Tensor, "D"]:
    """H g, H the inverse Hessian that BFGS makes of K pairs, from <s, y> / <y, y> times the identity, oldest pair first.

    Args:
        gradient: g.
        steps: s of each pair.
        changes: y of each pair, <s, y> above 0.

    Returns:
        H g.

    Cost: 4 K + 1 products of vectors.

    Reference: Nocedal 1980; Liu, Nocedal 1989, section 2, scaling M3.

    >>> two_loop(torch.tensor([3.0]), torch.tensor([[2.0]]), torch.tensor([[8.0]]))
    tensor([0.7500])
    """
    inverse = (steps * changes).sum(1).reciprocal()  # (K,)
    left, shares = gradient.clone(), []
    for step, change, rho in zip(steps.flip(0), changes.flip(0), inverse.flip(0), strict=True):
        shares.append(rho * (step @ left))
        left -= shares[-1] * change
    left /= inverse[-1] * (changes[-1] @ changes[-1])
    for step, change, rho, share in zip(steps, changes, inverse, reversed(shares), strict=True):
        left += (share - rho * (change @ left)) * step
    return left


def _flat(tensors: Sequence[Tensor]) -> Float[Tensor, "D"]:
    """As `torch.nn.utils.parameters_to_vector`, of tensors that lie in memory in whatever order."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _put(vector: Float[Tensor, "D"], params: Sequence[Tensor]) -> None:
    """As `torch.nn.utils.vector_to_parameters`, which would leave the parameters in one storage that no file format likes."""
    for parameter, part in zip(params, vector.split([p.numel() for p in params]), strict=True):
        parameter.copy_(part.view_as(parameter))


def _evaluated(closure: Callable[[], Any]) -> Any:
    with torch.enable_grad():
        return closure()


def _check(options: dict[str, Any]) -> None:
    for name, low, high in (("lr", 0, math.inf), ("decrease", 0, 0.5), ("shrink", 0, 1)):
        if not low < options[name] < high:
            raise ValueError(f"LBFGSArmijo: {name} must lie within ({low}, {high}), got {options[name]}")
    for name in ("history_size", "max_iter", "max_tries"):
        if options[name] < 1:
            raise ValueError(f"LBFGSArmijo: {name} must be at least 1, got {options[name]}")
    for name in ("curvature", "weight_decay"):
        if not 0 <= options[name] < math.inf:
            raise ValueError(f"LBFGSArmijo: {name} must be at least 0 and finite, got {options[name]}")
