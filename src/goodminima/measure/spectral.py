"""Spectral norms of a net's layers, each as the linear map that it is on the images it gets."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float64
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodminima.core.isolation import isolated_rng
from goodminima.core.progress import Callback, Progress
from goodminima.measure.calls import LINEAR, BatchNormCall, LinearCall, name_of
from goodminima.measure.folding import fold_batch_norm

_TOLERANCE = 1e-10  # of the largest eigenvalue of A'A, relative: a norm is good to half of it
_DENSE = 64  # inputs up to which a map is written out as a matrix: Lanczos needs some room, and wins nothing there


class SpectralNorm(NamedTuple):
    """The spectral norm of one layer.

    Args:
        layer: Name of the layer's weights in the folded net.
        norm: Largest singular value.
    """

    layer: str
    norm: float


@isolated_rng()
def spectral_norms(
    net: nn.Module, in_shape: tuple[int, ...], *, callback: Callback | None = None
) -> tuple[SpectralNorm, ...]:
    """The largest singular value of each layer of weights, in the order in which they are called, BatchNorm folded in.

    A layer is a linear map from what reaches it to what leaves it, without its bias: a convolution with the stride,
    padding and groups that it has, on maps of the size that it gets there, and not its kernel reshaped to a matrix. A
    BatchNorm that is not folded (`fold_batch_norm`) is a layer of its own, its norm the largest |scale| of a channel. A layer
    that is called twice is listed twice. Projections of residual nets are layers; sums, poolings and padding with anything but
    zeros are not.

    Args:
        net: Any net.
        in_shape: Shape of one example, (C, H, W) of an image.
        callback: Called after each layer with a `Progress`.

    Returns:
        (layer, norm) of each call: the layer's name in the net, and its largest singular value.

    Raises:
        ValueError: If some weights of the net are used by none of these layers.

    Cost: an exact decomposition of a linear layer; some tens of forward and backward passes of a convolution on one
        example (Lanczos on A'A, float64, to a relative error of 1e-10).

    Reference: Sedghi, Gupta, Long 2019 (a convolution's norm is that of its linear map).

    >>> net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    >>> net[0].weight.data, net[3].weight.data = torch.tensor([[[[-3.0]]]]), torch.full((2, 4), 0.5)
    >>> [(layer, round(norm, 3)) for layer, norm in spectral_norms(net, (1, 2, 2))]
    [('0', 3.0), ('3', 1.414)]
    """
    still = fold_batch_norm(net, dtype=torch.float64)
    device = next((parameter.device for parameter in still.parameters()), None)
    with torch.no_grad(), _Recorder(still) as recorder:
        still(torch.zeros(1, *in_shape, dtype=torch.float64, device=device))
    recorder.check_all_seen(net)
    norms = []
    for name, call in recorder.calls:
        norms.append(SpectralNorm(name, _norm(call)))
        if callback is not None:
            callback(Progress(done=len(norms), total=len(recorder.calls), unit="layers"))
    return tuple(norms)


def spectral_norm_product(net: nn.Module, in_shape: tuple[int, ...], *, callback: Callback | None = None) -> float:
    """prod_l ||W_l||_2 over all layers of `spectral_norms`.

    Of a chain of layers with ReLU and max pooling it bounds the Lipschitz constant; of a residual or dense net it does not,
    whose parallel paths add up.

    Args:
        net: Any net.
        in_shape: Shape of one example, (C, H, W) of an image.
        callback: Called after each layer with a `Progress`.

    Returns:
        The product, without unit.

    Raises:
        ValueError: If some weights of the net are used by none of these layers.

    Cost: that of `spectral_norms`.

    Reference: Neyshabur, Bhojanapalli, McAllester, Srebro 2017, section 2.
    """
    return math.prod(layer.norm for layer in spectral_norms(net, in_shape, callback=callback))


@final
class _Recorder(TorchFunctionMode):
    """Keeps the calls of a net's linear maps, with the names of their weights."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._names = {id(parameter): name for name, parameter in net.named_parameters()}
        self._unseen = {name for name, parameter in net.named_parameters() if parameter.ndim > 1}
        self.calls: list[tuple[str, LinearCall | BatchNormCall]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if name_of(func) in LINEAR:
            self._keep(name_of(func), LinearCall.of(func, args, kwargs))
        elif func is F.batch_norm:
            self._keep(name_of(func), BatchNormCall.of(args, kwargs))
        return func(*args, **kwargs)

    def _keep(self, function: str, call: LinearCall | BatchNormCall) -> None:
        name = self._names.get(id(call.weight), function)
        self._unseen.discard(name)
        self.calls.append((name.removesuffix(".weight"), call))

    def check_all_seen(self, net: nn.Module) -> None:
        """Raises where weights would be left out in silence."""
        if self._unseen:
            raise ValueError(
                f"spectral_norms: {type(net).__name__} uses {min(self._unseen)} in no linear map, convolution or BatchNorm: it "
                "would be left out"
            )


def _norm(call: LinearCall | BatchNormCall) -> float:
    if isinstance(call, BatchNormCall):
        return float(call.scale.abs().max())
    if call.func is F.linear:
        return float(torch.linalg.matrix_norm(call.weight.detach(), ord=2))
    return _norm_of_convolution(call)


def _norm_of_convolution(call: LinearCall) -> float:
    weight, shape = call.weight.detach(), call.x.shape[1:]
    size = shape.numel()

    def forward(x: Tensor) -> Tensor:
        return call(x, weight)

    if size <= _DENSE:
        basis = torch.eye(size, dtype=weight.dtype, device=weight.device).view(size, *shape)
        return float(torch.linalg.matrix_norm(forward(basis).flatten(1), ord=2))
    if not weight.any():
        return 0.0
    adjoint = torch.func.vjp(forward, torch.zeros(1, *shape, dtype=weight.dtype, device=weight.device))[1]

    def gram(vector: Float64[np.ndarray, "size"]) -> Float64[np.ndarray, "size"]:
        x = torch.from_numpy(vector).to(weight.device).view(1, *shape)
        return adjoint(forward(x))[0].flatten().cpu().numpy()

    start = np.random.default_rng(0).standard_normal(size)  # fixed: the same net gives the same last digit
    operator = LinearOperator((size, size), matvec=gram, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    largest = eigsh(operator, k=1, v0=start, tol=_TOLERANCE, return_eigenvectors=False)  # pyright: ignore[reportArgumentType]
    return math.sqrt(largest[0])
