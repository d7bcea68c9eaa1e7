"""Norms of a net's weights: Frobenius, and of all paths through it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodminima.core.isolation import isolated_rng
from goodminima.measure.calls import LINEAR, BatchNormCall, LinearCall, name_of
from goodminima.measure.folding import fold_batch_norm


def frobenius_norm(net: nn.Module) -> float:
    """||W||_F of all parameters together: the root of the sum of their squares, in float64.

    As they stand, BatchNorm's scales and shifts among them; of `fold_batch_norm(net)`, with BatchNorm in the weights.

    Args:
        net: Any module with parameters.

    Returns:
        ||W||_F, in units of the parameters.

    Raises:
        ValueError: If the net has no parameters.

    Reference: Liu, Papailiopoulos, Achlioptas 2020, section 3.6.

    >>> net = nn.Linear(2, 1)
    >>> net.weight.data, net.bias.data = torch.tensor([[2.0, 3.0]]), torch.tensor([6.0])
    >>> frobenius_norm(net)
    7.0
    """
    parts = [parameter.detach().double().norm() for parameter in net.parameters()]
    if not parts:
        raise ValueError(f"frobenius_norm: {type(net).__name__} has no parameters")
    return float(torch.stack([part.cpu() for part in parts]).norm())


@isolated_rng()
def path_norm(net: nn.Module, in_shape: tuple[int, ...], *, order: int = 2, biases: bool = True) -> float:
    """The l_p norm of the products of weights along all paths from an input to a logit, BatchNorm folded in.

    (sum over paths of prod |w|^p)^(1/p), computed by one forward pass of ones through the net with weights |w|^p, in
    float64. What counts how:

    - A bias is a weight from a unit that is always 1: its paths begin there.
    - BatchNorm, as it stands in eval mode, is in the weights (`folded`); where it follows neither a convolution nor a
      linear map, it is a layer of its own, one weight and one bias a channel.
    - ReLU and its leaky kind pass on what reaches them, which is never negative.
    - Max pooling passes on its largest: the norm is that of the choice of one unit a window that makes it largest.
    - Average pooling and means are linear maps with weights 1/k. Sums and concatenations, of residual and dense nets,
      have weights 1. Dropout is off.

    Args:
        net: A ReLU net, of any connections.
        in_shape: Shape of one example, (C, H, W) of an image.
        order: p, 1 or 2.
        biases: Whether paths that begin at a bias count.

    Returns:
        The norm, of the paths to all logits together; at least 0.

    Raises:
        ValueError: If the net computes something that has no path norm, an activation that is not ReLU, say.

    Cost: one forward pass of one example in float64; a copy of the net. An average pooling of n pixels a channel to m
        costs n m.

    Differs from paper: Gonon et al. count every unit of a window of max pooling; the norm here is never larger.

    Reference: Neyshabur, Tomioka, Srebro 2015 (norms of paths); biases, connections and pooling as in Gonon, Brisebarre,
        Riccietti, Gribonval 2024, section 2; Liu, Papailiopoulos, Achlioptas 2020, section 3.6.

    >>> net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> net[0].weight.data, net[2].weight.data = torch.tensor([[1.0], [-2.0]]), torch.tensor([[3.0, 2.0]])
    >>> path_norm(net, (1,), order=1), path_norm(net, (1,), order=2)  # 1*3 + 2*2 and the root of 3^2 + 4^2
    (7.0, 5.0)
    """
    if order not in (1, 2):
        raise ValueError(f"path_norm: order must be 1 or 2, got {order!r}")
    still = fold_batch_norm(net, dtype=torch.float64)
    device = next((parameter.device for parameter in still.parameters()), None)
    ones = torch.ones(1, *in_shape, dtype=torch.float64, device=device)
    with torch.no_grad(), _PathWeights(still, order=order, biases=biases):
        logits = still(ones)
    return float(logits.sum()) ** (1 / order)


# What passes on what reaches it, moves it about or sums it, and is right as it is where nothing is negative.
_SUMS = frozenset(["add", "add_", "__add__", "__iadd__", "__radd__"])
_KEPT = _SUMS | frozenset([
    "relu", "relu_", "leaky_relu", "leaky_relu_", "amax", "sum",
    *(f"{kind}max_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3)),
    "dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d",
    "flatten", "unflatten", "view", "view_as", "reshape", "permute", "transpose", "movedim", "contiguous", "clone",
    "squeeze", "unsqueeze", "expand", "repeat", "cat", "concat", "stack", "chunk", "split", "unbind", "narrow",
    "__getitem__", "pad", "size", "dim", "numel", "__get__", "__len__",
])  # fmt: skip
_AVERAGES = frozenset(f"{kind}avg_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3))


@final
class _PathWeights(TorchFunctionMode):
    """Has a net compute with |w|^p in place of its weights, whichever modules and functions it is written in."""

    def __init__(self, net: nn.Module, *, order: int, biases: bool) -> None:
        super().__init__()
        self._order, self._biases = order, biases
        self._own = {id(tensor) for tensor in (*net.parameters(), *net.buffers())}

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, kwargs = name_of(func), dict(kwargs or {})
        if name in LINEAR:
            return self._linear(LinearCall.of(func, args, kwargs))
        if func is F.batch_norm:
            call = BatchNormCall.of(args, kwargs)
            return call(self._weight(call.scale), self._bias(call.shift))
        if name in _AVERAGES:
            return self._averaged(func, args, kwargs)
        if name == "mean":
            return self._mean(func(*args, **kwargs), args[0])
        self._check_kept(name, args, kwargs)
        return func(*args, **kwargs)

    def _linear(self, call: LinearCall) -> Tensor:
        return call(call.x, self._weight(call.weight), None if call.bias is None else self._bias(call.bias))

    def _weight(self, weight: Tensor) -> Tensor:
        return weight.abs() ** self._order

    def _bias(self, bias: Tensor) -> Tensor:
        return self._weight(bias) * self._biases

    def _averaged(self, func: Callable[..., Tensor], args: tuple, kwargs: dict[str, Any]) -> Tensor:
        """By the matrix of the map, the same for each channel: windows may overlap, and be cut off at the border."""
        x, *rest = args
        pixels = x[0, 0].numel()
        basis = torch.eye(pixels, dtype=x.dtype, device=x.device).view(pixels, 1, *x.shape[2:])
        pooled = func(basis, *rest, **kwargs)  # (pixels, 1, ...)
        weights = pooled.flatten(1) ** self._order
        return (x.flatten(2) @ weights).view(*x.shape[:2], *pooled.shape[2:])

    def _mean(self, mean: Tensor, x: Tensor) -> Tensor:
        share = mean.numel() / x.numel()
        return mean * share ** (self._order - 1)

    def _check_kept(self, name: str, args: tuple, kwargs: dict[str, Any]) -> None:
        if name not in _KEPT:
            raise ValueError(
                f"path_norm: {name} has no part in a ReLU net of linear maps, pooling and sums, and no path norm: leave it "
                "out, or measure the net without it"
            )
        scaled = "alpha" in kwargs or (name in _SUMS and not all(isinstance(term, Tensor) for term in args))
        if scaled or any(id(value) in self._own for value in _leaves((*args, *kwargs.values()))):
            raise ValueError(
                f"path_norm: {name} of a constant or of a parameter is not counted; make it the weight or the bias of a "
                "linear map"
            )


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value
