"""A net's linear maps, seen where they are called: whichever modules a net is written in, they end up here."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LINEAR = frozenset(["linear", *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))])
_LEADING = ("input", "weight", "bias")  # the arguments that they all begin with
_BATCH_NORM = inspect.signature(F.batch_norm)


def name_of(func: Callable[..., Any]) -> str:
    """The plain name of a function or method of PyTorch.

    Args:
        func: The function.

    Returns:
        Its name: `relu` of all that are called so.
    """
    return getattr(func, "__name__", repr(func))


@final
@dataclass(frozen=True, slots=True, eq=False)
class LinearCall:
    """A call of `F.linear` or of a convolution.

    Args:
        func: The function.
        x: What it is applied to.
        weight: Its weight.
        bias: Its bias, or None.
        rest: Its further arguments by place: stride, padding, ...
        named: Its further arguments by name.
    """

    func: Callable[..., Tensor]
    x: Float[Tensor, "N ..."]
    weight: Float[Tensor, "..."]
    bias: Float[Tensor, "O"] | None
    rest: tuple
    named: Mapping[str, Any]

    @classmethod
    def of(cls, func: Callable[..., Tensor], args: tuple, kwargs: Mapping[str, Any]) -> "LinearCall":
        """Sorts the arguments of a call.

        Args:
            func: The function.
            args: Its arguments by place.
            kwargs: Its arguments by name.

        Returns:
            The call `func(*args, **kwargs)`.
        """
        known = {**dict(zip(_LEADING, args, strict=False)), **kwargs}
        x, weight, bias = (known.pop(name, None) for name in _LEADING)
        return cls(func, x, weight, bias, args[len(_LEADING) :], known)

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same call, stride and all, of other tensors."""
        return self.func(x, weight, bias, *self.rest, **self.named)


@final
@dataclass(frozen=True, slots=True, eq=False)
class BatchNormCall:
    """A call of `F.batch_norm` with running statistics: x times a scale plus a shift, a number each a channel.

    Args:
        x: What it is applied to.
        weight: The parameter in the scale, or None.
        scale: weight / sqrt(var + eps).
        shift: bias - mean scale.
    """

    x: Float[Tensor, "N C ..."]
    weight: Float[Tensor, "C"] | None
    scale: Float[Tensor, "C"]
    shift: Float[Tensor, "C"]

    @classmethod
    def of(cls, args: tuple, kwargs: Mapping[str, Any]) -> "BatchNormCall":
        """Makes a call of `F.batch_norm` a scale and a shift.

        Args:
            args: Its arguments by place.
            kwargs: Its arguments by name.

        Returns:
            The call `F.batch_norm(*args, **kwargs)`.

        Raises:
            ValueError: If it takes its statistics from the batch.
        """
        bound = _BATCH_NORM.bind(*args, **kwargs)
        bound.apply_defaults()
        call = bound.arguments
        if call["training"]:
            raise ValueError(
                "a BatchNorm without running statistics is not one map but another on each batch: it has no norm"
            )
        scale = torch.rsqrt(call["running_var"] + call["eps"])
        if call["weight"] is not None:
            scale = scale * call["weight"]
        shift = -scale * call["running_mean"]
        return cls(call["input"], call["weight"], scale, shift if call["bias"] is None else shift + call["bias"])

    def __call__(self, scale: Tensor, shift: Tensor) -> Tensor:
        """x times another scale plus another shift."""
        shape = (1, -1, *[1] * (self.x.ndim - 2))
        return self.x * scale.view(shape) + shift.view(shape)
