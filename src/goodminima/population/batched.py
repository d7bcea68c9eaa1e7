"""The fast path in PyTorch: a stack evaluated for many members at once with batched matrix products.

Activations are kept as (P, C, N, H, W) or (P, F, N): members first, examples behind the channels, so that every layer is
one batched matrix product and no transposition is paid between layers. Until the first layer with weights all members see
the same input, which is prepared once for the whole population.
"""

from collections.abc import Mapping
from functools import reduce

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from goodminima.population.stack import Conv, Flatten, Layer, LeakyReLU, Linear, Pool, ReLU, Stack

Parts = Mapping[int, Tensor]  # offset in theta -> (P, size) part of it


def logits(stack: Stack, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."]) -> Float[Tensor, "P N C"]:
    """Logits of every member on every example; differentiable in `theta`."""
    shared, layers = _until_weights(stack, x)
    parts = _by_offset(stack, theta)
    h = _first(layers[0], parts, shared)
    for layer in layers[1:]:
        h = _next(layer, parts, h)
    return h.transpose(1, 2)


def numbers_per_example(stack: Stack, shape: tuple[int, ...]) -> int:
    """The most float numbers that one layer reads and writes for one member and one example: what chunking goes by."""
    most, current = 0, shape
    for layer in stack:
        following = out_shape(layer, current)
        reads = torch.Size(current).numel()
        if isinstance(layer, Conv):
            reads += layer.in_channels * layer.kernel[0] * layer.kernel[1] * following[1] * following[2]
        most = max(most, reads + torch.Size(following).numel())
        current = following
    return most


def out_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one example behind `layer`."""
    match layer:
        case Conv():
            sides = zip(shape[1:], layer.kernel, layer.stride, layer.padding, strict=True)
            return (layer.out_channels, *((side + 2 * pad - k) // s + 1 for side, k, s, pad in sides))
        case Linear():
            return (layer.out_features,)
        case Pool():
            sides = zip(shape[1:], layer.kernel, layer.stride, strict=True)
            return (shape[0], *((side - k) // s + 1 for side, k, s in sides))
        case Flatten():
            return (torch.Size(shape).numel(),)
        case ReLU() | LeakyReLU():
            return shape


def _by_offset(stack: Stack, theta: Tensor) -> Parts:
    """Each weight and bias by its offset. One split: the gradient of ten slices of theta would be ten whole thetas."""
    offsets = sorted(
        offset
        for layer in stack
        if isinstance(layer, Conv | Linear)
        for offset in (layer.weight, layer.bias)
        if offset >= 0
    )
    sizes = [stop - start for start, stop in zip(offsets, [*offsets[1:], theta.shape[1]], strict=True)]
    return dict(zip(offsets, theta.split(sizes, dim=1), strict=True))


def _until_weights(stack: Stack, x: Tensor) -> tuple[Tensor, Stack]:
    """Runs the layers without weights at the head of the stack once, for all members together."""
    for i, layer in enumerate(stack):
        if isinstance(layer, Conv | Linear):
            return x, stack[i:]
        match layer:
            case Pool():
                x = _pooled(layer, x)
            case Flatten():
                x = x.flatten(1)
            case ReLU():
                x = x.relu()
            case LeakyReLU(slope):
                x = F.leaky_relu(x, slope)
    raise ValueError("a stack needs at least one layer with weights")


def _first(layer: Layer, parts: Parts, x: Tensor) -> Tensor:
    """The layer that all members share the input of: unfolded once, and expanded without a copy.

    A batched product, although one large product would do: what a member gets must not depend on how many others share
    the call, and large products round differently for different numbers of rows.
    """
    if isinstance(layer, Linear):
        return _add_bias(layer, parts, _shared_product(_weight(layer, parts), x.T))
    assert isinstance(layer, Conv)
    columns = F.unfold(x, layer.kernel, padding=layer.padding, stride=layer.stride)  # (N, K, L)
    h = _shared_product(_weight(layer, parts).flatten(2), columns.transpose(0, 1).flatten(1))  # (P, O, N L)
    sides = out_shape(layer, tuple(x.shape[1:]))[1:]
    return _add_bias(layer, parts, h.unflatten(2, (len(x), *sides)))


def _shared_product(weight: Float[Tensor, "P O K"], columns: Float[Tensor, "K L"]) -> Float[Tensor, "P O L"]:
    return torch.bmm(weight, columns.expand(len(weight), -1, -1))


def _next(layer: Layer, parts: Parts, h: Tensor) -> Tensor:
    match layer:
        case ReLU():
            return h.relu() if h.requires_grad else h.relu_()  # nobody else has h: the first layer made it
        case LeakyReLU(slope):
            return F.leaky_relu(h, slope, inplace=not h.requires_grad)
        case Pool():
            return _pooled(layer, h.flatten(0, 1)).unflatten(0, h.shape[:2])
        case Flatten():
            return h.movedim(2, -1).flatten(1, -2)  # (P, C, N, H, W) -> (P, F, N)
        case Linear():
            return _add_bias(layer, parts, torch.bmm(_weight(layer, parts), h))
        case Conv():
            return _convolved(layer, parts, h)


def _convolved(layer: Conv, parts: Parts, h: Tensor) -> Tensor:
    (top, left), (down, right) = layer.padding, layer.stride
    if top or left:
        h = F.pad(h, (left, left, top, top))
    windows = h.unfold(3, layer.kernel[0], down).unfold(4, layer.kernel[1], right)  # (P, C, N, H, W, kh, kw)
    columns = windows.permute(0, 1, 5, 6, 2, 3, 4)
    out = torch.bmm(_weight(layer, parts).flatten(2), columns.reshape(len(h), -1, columns.shape[4:].numel()))
    return _add_bias(layer, parts, out.unflatten(2, columns.shape[4:]))


def _pooled(layer: Pool, x: Tensor) -> Tensor:
    if layer.kind == "average":
        return F.avg_pool2d(x, layer.kernel, layer.stride)
    if layer.kernel != layer.stride:
        return F.max_pool2d(x, layer.kernel, layer.stride)
    # Windows that tile the image: maxima of slices are vectorised, which max_pool2d on the CPU is not (4x here).
    (down, right), (height, width) = layer.kernel, out_shape(layer, tuple(x.shape[1:]))[1:]
    x = x[:, :, : height * down, : width * right]
    rows = reduce(torch.maximum, (x[:, :, i::down] for i in range(down)))
    return reduce(torch.maximum, (rows[:, :, :, i::right] for i in range(right)))


def _weight(layer: Conv | Linear, parts: Parts) -> Tensor:
    if isinstance(layer, Linear):
        return parts[layer.weight].unflatten(1, (layer.out_features, layer.in_features))
    return parts[layer.weight].unflatten(1, (layer.out_channels, layer.in_channels, *layer.kernel))


def _add_bias(layer: Conv | Linear, parts: Parts, h: Tensor) -> Tensor:
    if layer.bias < 0:
        return h
    bias = parts[layer.bias]  # (P, O)
    return h + bias.reshape(*bias.shape, *(1 for _ in h.shape[2:]))
