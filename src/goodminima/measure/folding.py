"""BatchNorm folded into the weights in front of it: the same net in eval mode, and weights that mean what they say."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import jaxtyping
import torch
from torch import fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from goodminima.core.isolation import isolated_rng
from goodminima.population.private_copies import private_copy

_Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
_BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
_TRACING = Lock()


@isolated_rng()
def fold_batch_norm(net: nn.Module, *, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy of `net` in eval mode in which each BatchNorm behind a convolution or linear map is part of its weights.

    W' = W gamma / sqrt(var + eps) and b' = (b - mean) gamma / sqrt(var + eps) + beta, a row each an output channel; equal
    to `net.eval()` up to rounding. A BatchNorm stays, in eval mode, where it does not directly follow one (DenseNet's go in
    front), where something else reads the same output too, and where either is used more than once. A BatchNorm1d is taken
    to read (N, C) from a linear map.

    Args:
        net: The net. It is left as it is.
        dtype: What the copy computes in, folding included; None for what the net does.

    Returns:
        The copy, in eval mode; of a net with BatchNorm, a `torch.fx.GraphModule`.

    Raises:
        ValueError: If a net with BatchNorm cannot be traced, or a BatchNorm to be folded has no running statistics.

    Reference: Ioffe, Szegedy 2015, section 3.1 (BatchNorm at inference is linear); traced by `torch.fx`.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU())
    >>> fold_batch_norm(net)
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (2): ReLU()
    )
    """
    still = private_copy(net).eval().to(dtype=dtype)
    if not any(isinstance(module, _BatchNorm) for module in still.modules()):
        return still
    graph = _traced(still)
    used = Counter(_owner(node) for node in graph.graph.nodes)
    for node in list(graph.graph.nodes):
        norm = _module_at(graph, node)
        if isinstance(norm, _BatchNorm):
            before = node.all_input_nodes[0]
            layer = _module_at(graph, before)
            alone = len(before.users) == used[_owner(before)] == used[_owner(node)] == 1
            if isinstance(layer, _Layer) and alone and not is_parametrized(layer):
                _fold(layer, norm, name=str(node.target))
                node.replace_all_uses_with(before)
                graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _traced(net: nn.Module) -> fx.GraphModule:
    try:
        with _shapes_unchecked():
            return fx.symbolic_trace(net)
    except (TraceError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{type(net).__name__} cannot be traced by torch.fx, so BatchNorm is not folded: {reason}"
        ) from error


@contextmanager
def _shapes_unchecked() -> Iterator[None]:
    """Shapes in signatures are not those of the symbols that tracing sends through a net; the switch is global."""
    with _TRACING:
        before = jaxtyping.config.jaxtyping_disable
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            yield
        finally:
            jaxtyping.config.update("jaxtyping_disable", before)


def _owner(node: fx.Node) -> str:
    """The module that a node calls, or one of whose weights it reads."""
    return str(node.target).rpartition(".")[0] if node.op == "get_attr" else str(node.target)


def _module_at(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _fold(layer: _Layer, norm: _BatchNorm, *, name: str) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"BatchNorm {name} has no running statistics to fold; build it with track_running_stats=True")
    layer.weight, layer.bias = fuse_conv_bn_weights(
        layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
