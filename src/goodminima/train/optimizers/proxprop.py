"""Proximal backpropagation as a `torch.optim.Optimizer`."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from goodminima.core.checks import check_choice

MODES = ("exact", "cg")
PENALTIES = ("mean", "sum")
BASES = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "SGD")

_Layer = nn.Linear | nn.Conv2d
_Apply = Callable[[Tensor], Tensor]


@final
class ProxProp(Optimizer):
    """Implicit steps on linear and convolution layers: where a gradient step would go, were the layer's outputs to follow.

    Let A (rows, inputs) be what a layer read, a row an example, of a convolution a row a place in an image (unfolded), and a
    last column of ones if it has a bias; W (inputs, outputs) its weights, and G the gradient of its outputs, times the rows.
    Instead of W - lr A^T G / rows, the proximal step goes to

        argmin_V |A V - (A W - G)|^2 / (2 rows) + |V - W|^2 / (2 tau)  =  W - (A^T A / rows + I / tau)^-1 dL/dW,

    so the layer's gradient becomes (A^T A / rows + I / tau)^-1 dL/dW, a descent direction, and the base optimizer steps along
    it. The gradients of all other parameters are left as they are, and so are those of layers whose weights are shared
    with another one or parametrised. A layer that a forward pass uses several times has the rows of all its uses.

    Args:
        net: The net whose parameters are trained.
        lr: Learning rate of the base optimizer.
        tau: Step size of the proximal step, above 0.
        mode: "exact" solves by Cholesky; "cg" does `iterations` of conjugate gradients, each output a system of its own.
        iterations: Of conjugate gradients, at least 1.
        penalty: "mean" as above, tau independent of the size of batch and image; "sum" has A^T A undivided, as the authors.
        base: Name of the class of `torch.optim` that steps along the direction.
        options: Its further arguments: `betas`, `weight_decay`, ...

    Raises:
        ValueError: If a number is out of range, or for another word for `mode`, `penalty` or `base`.

    Cost: for each layer of F inputs 2 rows F^2 operations for A^T A and F^3 / 3 for its Cholesky factor; with "cg" and fewer
        rows than F, 4 rows F outputs an iteration and no A^T A. Unfolded images take kernel^2 times the layer's input.

    Differs from paper: the penalty is a mean unless "sum" is asked for; "cg" works on an output at a time for convolutions,
        too, where the authors' code joins all of a layer's.

    Reference: Frerix, Möllenhoff, Moeller, Cremers 2018 (arXiv 1706.04638), section 3 and Algorithm 2; used by
        Huang et al. 2020, Table 1, with tau 0.5 and ten iterations of conjugate gradients.

    >>> net = nn.Linear(1, 1, bias=False)
    >>> x, optimizer = torch.ones(4, 1), ProxProp(net, lr=1.0, tau=1.0, base="SGD")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (net(x) - 3).square().mean() / 2
    ...     loss.backward()
    ...     return loss
    >>> before = net.weight.item()
    >>> _ = optimizer.step(closure)
    >>> round((3 - net.weight.item()) / (3 - before), 5)  # tau / (1 + tau)
    0.5
    """

    def __init__(
        self,
        net: nn.Module,
        lr: float = 1e-3,
        *,
        tau: float = 0.5,
        mode: str = "exact",
        iterations: int = 10,
        penalty: str = "mean",
        base: str = "Adam",
        **options: Any,
    ) -> None:
        if not 0 < tau < math.inf:
            raise ValueError(f"ProxProp: tau must be positive and finite, got {tau}")
        if iterations < 1:
            raise ValueError(f"ProxProp: iterations must be at least 1, got {iterations}")
        check_choice("ProxProp: mode", mode, MODES)
        check_choice("ProxProp: penalty", penalty, PENALTIES)
        check_choice("ProxProp: base", base, BASES)
        self._base: Optimizer = getattr(torch.optim, base)(net.parameters(), lr=lr, **options)
        self._layers = tuple(_proximal_layers(net))
        super().__init__(self._base.param_groups, self._base.defaults)
        for group in self.param_groups:
            group |= {"tau": tau, "mode": mode, "iterations": iterations, "penalty": penalty}
        self._share()

    def _share(self) -> None:
        """One list of groups and one state with the base, whoever changes them: schedules, `load_state_dict`."""
        self._base.param_groups, self._base.state = self.param_groups, self.state

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds the net's parameters, the only group there may be.

        Args:
            param_group: As for any optimizer of PyTorch.

        Raises:
            ValueError: If there is one already.
        """
        if self.param_groups:
            raise ValueError("ProxProp: the net's parameters are its one group, got a second one")
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continues where another `ProxProp` on an equal net was.

        Args:
            state_dict: What `state_dict()` of the other one gave.
        """
        super().load_state_dict(state_dict)
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the base along the proximal direction.

        Args:
            closure: Clears the gradients, computes the loss and its gradients, and returns it. What the layers read is noted
                while it runs.

        Returns:
            What the closure returned.

        Raises:
            ValueError: Without a closure.
        """
        if closure is None:
            raise ValueError("ProxProp.step needs a closure, to see what layers read: opt.step(closure), as for LBFGS")
        with torch.enable_grad(), _inputs_of(self._layers) as inputs:
            loss = closure()
        (group,) = self.param_groups
        with torch.no_grad():
            for layer in self._layers:
                if layer.weight.grad is not None and inputs[layer]:
                    _precondition(layer, _rows(layer, inputs[layer]), group)
        self._base.step()
        return loss


def _proximal_layers(net: nn.Module) -> Iterator[_Layer]:
    """Linear and convolution layers with trained weights of their own."""
    layers = [module for module in net.modules() if isinstance(module, _Layer)]
    owners = Counter(id(parameter) for module in net.modules() for parameter in module.parameters(recurse=False))
    for layer in layers:
        own = list(layer.parameters(recurse=False))
        # A parametrised weight is no parameter of the layer itself.
        if any(p is layer.weight for p in own) and all(p.requires_grad and owners[id(p)] == 1 for p in own):
            yield layer


@contextmanager
def _inputs_of(layers: Sequence[_Layer]) -> Iterator[dict[_Layer, list[Tensor]]]:
    """What each layer reads within the context, while gradients are on."""
    seen: dict[_Layer, list[Tensor]] = {layer: [] for layer in layers}

    def note(layer: _Layer, arguments: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            seen[layer].append(arguments[0].detach())

    with ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_pre_hook(note))
        yield seen


def _precondition(layer: _Layer, rows: Float[Tensor, "G n F"], options: dict[str, Any]) -> None:
    """Replaces the gradients of a layer's weight and bias by the proximal direction; G groups of a convolution."""
    weight, bias = layer.weight.grad, None if layer.bias is None else layer.bias.grad
    assert weight is not None
    groups = len(rows)
    gradient = weight.reshape(groups, len(weight) // groups, -1).mT  # (G, F, outputs)
    if bias is not None:
        gradient = torch.cat([gradient, bias.view(groups, 1, -1)], 1)
    scale = rows.shape[1] if options["penalty"] == "mean" else 1
    iterations = options["iterations"] if options["mode"] == "cg" else None
    step = proximal_direction(rows, gradient, tau=options["tau"], scale=scale, iterations=iterations)
    if bias is not None:
        bias.copy_(step[:, -1].flatten())
        step = step[:, :-1]
    weight.copy_(step.mT.reshape(weight.shape))


def proximal_direction(
    rows: Float[Tensor, "G n F"],
    gradient: Float[Tensor, "G F O"],
    *,
    tau: float,
    scale: float = 1,
    iterations: int | None = None,
) -> Float[Tensor, "G F O"]:
    """(A^T A / scale + I / tau)^-1 gradient, of each group.

    Args:
        rows: A.
        gradient: Right-hand sides.
        tau: Above 0.
        scale: What A^T A is divided by.
        iterations: Of conjugate gradients from zero; None for the exact solution.

    Returns:
        The solution of each group.

    Reference: Frerix et al. 2018, section 3: the normal equations of the proximal step, less the point it starts from.

    >>> proximal_direction(torch.ones(1, 4, 1), torch.ones(1, 1, 1), tau=0.5, scale=4)
    tensor([[[0.3333]]])
    """
    num_rows, inputs = rows.shape[1:]
    if iterations is not None and num_rows < inputs:
        return _conjugate_gradients(lambda v: rows.mT @ (rows @ v) / scale + v / tau, gradient, iterations=iterations)
    gram = rows.mT @ rows / scale
    gram.diagonal(dim1=1, dim2=2).add_(1 / tau)
    if iterations is not None:
        return _conjugate_gradients(partial(torch.matmul, gram), gradient, iterations=iterations)
    return torch.cholesky_solve(gradient, torch.linalg.cholesky(gram))


def _conjugate_gradients(apply: _Apply, wanted: Tensor, *, iterations: int) -> Tensor:
    """Solves apply(V) = wanted from V = 0, each column a system of its own; a column that is solved stays."""
    solution, residual = torch.zeros_like(wanted), wanted.clone()
    direction, length = residual, residual.square().sum(1, keepdim=True)
    for _ in range(iterations):
        applied = apply(direction)
        curvature = (direction * applied).sum(1, keepdim=True)
        pace = torch.where(curvature > 0, length / curvature, 0.0)
        solution, residual = solution + pace * direction, residual - pace * applied
        following = residual.square().sum(1, keepdim=True)
        direction = residual + torch.where(length > 0, following / length, 0.0) * direction
        length = following
    return solution


def _rows(layer: _Layer, inputs: Sequence[Tensor]) -> Float[Tensor, "G n F"]:
    """What a layer multiplies its weights by, in all its uses, with a column of ones for the bias.

    Laid out column by column: that is how unfolded images come, but for the order of images.
    """
    uses = [_patches(layer, x.to(layer.weight.dtype)) for x in inputs]
    groups, features = uses[0].shape[1:3]
    sizes = [len(use) * use.shape[3] for use in uses]
    columns = uses[0].new_empty(groups, features + (layer.bias is not None), sum(sizes))
    for use, place in zip(uses, columns[:, :features].split(sizes, 2), strict=True):
        place.unflatten(2, (len(use), -1)).copy_(use.permute(1, 2, 0, 3))
    if layer.bias is not None:
        columns[:, -1] = 1.0
    return columns.mT


def _patches(layer: _Layer, x: Tensor) -> Float[Tensor, "N G F places"]:
    """The inputs of each output: of a linear map, all in one place of one group."""
    if isinstance(layer, nn.Linear):
        return x.reshape(1, -1, 1, x.shape[-1]).permute(0, 2, 3, 1)
    return _unfolded(layer, x if x.ndim == 4 else x[None]).unflatten(1, (layer.groups, -1))


def _unfolded(layer: nn.Conv2d, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N F places"]:
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    match layer.padding:
        case "valid":
            around = [0, 0, 0, 0]
        case "same":
            spare = [step * (side - 1) for step, side in zip(dilation, kernel, strict=True)]
            around = [spare[1] // 2, spare[1] - spare[1] // 2, spare[0] // 2, spare[0] - spare[0] // 2]
        case (height, width):
            around = [width, width, height, height]
        case other:
            raise AssertionError(f"Conv2d has no padding {other!r}")
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.unfold(F.pad(x, around, mode=mode), kernel, dilation=dilation, stride=stride)
