"""Recognising a stack: a net that is a plain sequence of convolutions, linear maps, ReLUs (leaky ones too) and poolings.

Such a net is the little program that the fast paths run for many members at once. Anything else is still a valid net: it
goes through `torch.func`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from torch import nn

from goodminima.population.parameters import slots


@final
@dataclass(frozen=True, slots=True)
class Conv:
    """A 2-D convolution; `weight` and `bias` are offsets into theta, -1 for no bias."""

    weight: int
    bias: int
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class Linear:
    """An affine map; `weight` and `bias` are offsets into theta, -1 for no bias."""

    weight: int
    bias: int
    in_features: int
    out_features: int


@final
@dataclass(frozen=True, slots=True)
class ReLU:
    """max(0, x)."""


@final
@dataclass(frozen=True, slots=True)
class LeakyReLU:
    """x where it is positive, `slope` x elsewhere."""

    slope: float


@final
@dataclass(frozen=True, slots=True)
class Pool:
    """Max or average pooling without padding."""

    kind: str  # "max" or "average"
    kernel: tuple[int, int]
    stride: tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class Flatten:
    """All axes of an example into one."""


Layer = Conv | Linear | ReLU | LeakyReLU | Pool | Flatten
Stack = tuple[Layer, ...]


def num_outputs(stack: Stack) -> int:
    """Units of the last layer with weights: the number of logits C."""
    last = [layer for layer in stack if isinstance(layer, Conv | Linear)][-1]
    return last.out_features if isinstance(last, Linear) else last.out_channels


def stack_of(net: nn.Module) -> Stack | None:
    """The layers of `net` in order if it is a stack, else None.

    A stack is a (nested) `nn.Sequential` of Conv2d (ungrouped, undilated, zero-padded), Linear, ReLU, LeakyReLU, MaxPool2d
    and AvgPool2d (unpadded, floor mode) and Flatten, no weights used twice. A subclass with a `forward` of its own, hooks,
    and tied or parametrised weights make a net something else.

    >>> [type(layer).__name__ for layer in stack_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))]
    ['Flatten', 'Linear']
    >>> stack_of(nn.Sequential(nn.Linear(4, 2), nn.Tanh())) is None
    True
    """
    offsets = {slot.name: slot.start for slot in slots(net)}
    modules = list(_leaves(net, ""))
    owners = [id(module) for _, module in modules if next(module.parameters(), None) is not None]
    if len(set(owners)) < len(owners):
        return None  # a repeated layer has one slot but two places
    layers = [_layer(name, module, offsets) for name, module in modules]
    known = [layer for layer in layers if layer is not None]
    return tuple(known) if len(known) == len(layers) else None


def _leaves(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential) and _is_plain(module, nn.Sequential):
        for name, child in zip(module._modules, module, strict=True):  # named_children() leaves out repeated layers
            yield from _leaves(child, f"{prefix}{name}.")
    elif not (isinstance(module, nn.Identity) and _is_plain(module, nn.Identity)):
        yield prefix, module


_KINDS = (nn.Linear, nn.Conv2d, nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten)


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether calling `module` is what calling a `kind` is: a subclass or a hook may compute something else."""
    return type(module).forward is kind.forward and not (module._forward_hooks or module._forward_pre_hooks)


def _layer(prefix: str, module: nn.Module, offsets: dict[str, int]) -> Layer | None:
    kind = next((kind for kind in _KINDS if isinstance(module, kind)), None)
    if kind is None or not _is_plain(module, kind):
        return None
    weight, bias = offsets.get(f"{prefix}weight", -1), offsets.get(f"{prefix}bias", -1)
    if isinstance(module, nn.Linear | nn.Conv2d) and (weight < 0 or (bias < 0) != (module.bias is None)):
        return None  # tied or parametrised: its weight is not a slot of theta, or is another layer's
    match module:
        case nn.Linear():
            return Linear(weight, bias, module.in_features, module.out_features)
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros", padding=tuple()):
            kernel, stride, padding = (_pair(value) for value in (module.kernel_size, module.stride, module.padding))
            return Conv(weight, bias, module.in_channels, module.out_channels, kernel, stride, padding)
        case nn.ReLU():
            return ReLU()
        case nn.LeakyReLU():
            return LeakyReLU(module.negative_slope)
        case nn.MaxPool2d(padding=0, dilation=1, ceil_mode=False, return_indices=False):
            return Pool("max", _pair(module.kernel_size), _pair(module.stride))
        case nn.AvgPool2d(padding=0, ceil_mode=False, divisor_override=None):
            return Pool("average", _pair(module.kernel_size), _pair(module.stride))
        case nn.Flatten(start_dim=1, end_dim=-1):
            return Flatten()
        case _:
            return None


def _pair(value: int | tuple[int, ...] | str) -> tuple[int, int]:
    if isinstance(value, int):
        return (value, value)
    first, second = value
    return (int(first), int(second))
