"""The engines that run stacks, and the layer types that each of them takes.

A layer type may be known to one engine and not yet to another: an engine that does not know a layer of a net says so, and the
next best one takes over.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, final

from goodminima.population.stack import Conv, Flatten, LeakyReLU, Linear, Pool, ReLU, Stack


@final
class StackEngine(StrEnum):
    """What runs a stack: PyTorch for many members at once, and the engines of the compiled kernel."""

    BATCHED = "batched PyTorch"
    EVALUATION = "compiled evaluation"
    GRADIENT = "compiled gradient"
    SCREENING = "compiled screening"
    TRAINING = "compiled training"
    LOCAL_SEARCH = "compiled local search"
    GIBBS = "compiled Gibbs walk"


_COMMON = frozenset({Conv, Linear, ReLU, Pool, Flatten})

LAYERS: Mapping[StackEngine, frozenset[type[Any]]] = {
    StackEngine.BATCHED: _COMMON | {LeakyReLU},
    StackEngine.EVALUATION: _COMMON,
    StackEngine.GRADIENT: _COMMON,
    StackEngine.SCREENING: _COMMON,
    StackEngine.TRAINING: _COMMON,
    StackEngine.LOCAL_SEARCH: _COMMON,
    StackEngine.GIBBS: _COMMON,
}


def unknown_layers(engine: StackEngine, stack: Stack) -> tuple[str, ...]:
    """Names of the layer types of a stack that an engine does not take, in order; none if it takes them all.

    >>> unknown_layers(StackEngine.BATCHED, (Flatten(), Linear(weight=0, bias=8, in_features=4, out_features=2)))
    ()
    """
    names = [type(layer).__name__ for layer in stack if type(layer) not in LAYERS[engine]]
    return tuple(dict.fromkeys(names))
