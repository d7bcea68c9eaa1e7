"""The fast path in PyTorch: a stack evaluated for many members at once with batched matrix products.

Activations are kept as (P, C, N, H, W) or (P, F, N): members first, examples behind the channels, so that every layer is
one (batched) matrix product and no transposition is paid between layers. Until the first layer with weights all members
see the same input, so that layer is a single product for the whole population.
"""

from functools import reduce

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from goodminima.population.stack import Conv, Flatten, Layer, Linear, Pool, ReLU, Stack


def logits(stack: Stack, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."]) -> Float[Tensor, "P N C"]:
    """Logits of every member on every example; differentiable in `theta`."""
    shared, layers = _until_weights(stack, x)
    h = _first(layers[0], theta, shared)
    for layer in layers[1:]:
        h = _next(layer, theta, h)
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
        case ReLU():
            return shape


def _until_weights(stack: Stack, x: Tensor) -> tuple[Tensor, Stack]:
    """Runs the layers without weights at the head of the stack once, for all members together."""
    for i, layer in enumerate(stack):
        if isinstance(layer, Conv | Linear):
            return x, stack[i:]
        x = _pooled(layer, x) if isinstance(layer, Pool) else x.flatten(1) if isinstance(layer, Flatten) else x.relu()
    raise ValueError("a stack needs at least one layer with weights")


def _first(layer: Layer, theta: Tensor, x: Tensor) -> Tensor:
    members = len(theta)
    if isinstance(layer, Linear):
        weight = _weight(layer, theta).reshape(-1, layer.in_features)  # (P O, F)
        h = (weight @ x.T).view(members, layer.out_features, -1)
        return _add_bias(layer, theta, h)
    assert isinstance(layer, Conv)
    columns = F.unfold(x, layer.kernel, padding=layer.padding, stride=layer.stride)  # (N, K, L)
    weight = _weight(layer, theta).reshape(-1, columns.shape[1])  # (P O, K)
    h = weight @ columns.transpose(0, 1).flatten(1)  # (P O, N L)
    sides = out_shape(layer, tuple(x.shape[1:]))[1:]
    return _add_bias(layer, theta, h.view(members, layer.out_channels, len(x), *sides))


def _next(layer: Layer, theta: Tensor, h: Tensor) -> Tensor:
    match layer:
        case ReLU():
            return h.relu()
        case Pool():
            return _pooled(layer, h.flatten(0, 1)).unflatten(0, h.shape[:2])
        case Flatten():
            return h.movedim(2, -1).flatten(1, -2)  # (P, C, N, H, W) -> (P, F, N)
        case Linear():
            return _add_bias(layer, theta, torch.bmm(_weight(layer, theta), h))
        case Conv():
            return _convolved(layer, theta, h)


def _convolved(layer: Conv, theta: Tensor, h: Tensor) -> Tensor:
    (top, left), (down, right) = layer.padding, layer.stride
    if top or left:
        h = F.pad(h, (left, left, top, top))
    windows = h.unfold(3, layer.kernel[0], down).unfold(4, layer.kernel[1], right)  # (P, C, N, H, W, kh, kw)
    columns = windows.permute(0, 1, 5, 6, 2, 3, 4)
    out = torch.bmm(_weight(layer, theta).flatten(2), columns.reshape(len(theta), -1, columns.shape[4:].numel()))
    return _add_bias(layer, theta, out.unflatten(2, columns.shape[4:]))


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


def _weight(layer: Conv | Linear, theta: Tensor) -> Tensor:
    if isinstance(layer, Linear):
        shape = (layer.out_features, layer.in_features)
    else:
        shape = (layer.out_channels, layer.in_channels, *layer.kernel)
    size = torch.Size(shape).numel()
    return theta[:, layer.weight : layer.weight + size].unflatten(1, shape)


def _add_bias(layer: Conv | Linear, theta: Tensor, h: Tensor) -> Tensor:
    if layer.bias < 0:
        return h
    bias = theta[:, layer.bias : layer.bias + h.shape[1]]  # (P, O)
    return h + bias.reshape(*bias.shape, *(1 for _ in h.shape[2:]))
