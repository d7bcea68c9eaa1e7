"""What a training or a grid depends on, as texts: equal ones for the same thing in every process, others for anything else.

A text holds names, code and contents, all the way down: of a function its instructions, defaults, what it closes over and
the globals that it reads; of an object its class and what `pickle` would write down of it, private attributes too; of a
net its modules with their settings, hooks and weights. What an installed package defines is known by its name and the
package's version (PyTorch, NumPy and the standard library: by name). Comments, documentation and places in a file are in no
text, nor are addresses or the order of a set.

What cannot be read for sure is refused: an open file, a lock, an object of an extension without a `__reduce__`. The cure
is a name and version of its own, a string called `identity`, on a function or on an object or its class:

    class FromCamera:
        identity = "frames of the left camera, v2"

It stands for the code, for private attributes and for whatever cannot be read. All else still counts, defaults, contents of
closures and public attributes, so that one version with beta 0.1 is not taken for the same with 0.9. A subclass that has no
`identity` of its own is read like any other class, private attributes too, but for the code that it inherits.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from goodminima.core.reader import Reader, Unreadable, digest_of


def text_of(value: Any, *, name: str = "value") -> str:
    """Names, code and numbers that tell a value from every other one.

    Args:
        value: Anything: a function, an object, a net, data.
        name: What it is called where it is refused.

    Raises:
        ValueError: If some part of it cannot be read for sure.

    >>> text_of({"beta": 0.1})
    "{'beta': 0.1}"
    """
    return _read(name, Reader.text, value)


def architecture_of(net: nn.Module, *, name: str = "net") -> str:
    """All that a net is but for the numbers in its parameters and buffers: modules, modes, settings, code, hooks, shapes.

    Args:
        net: The net.
        name: What it is called where it is refused.

    Raises:
        ValueError: If some part of it cannot be read for sure.

    >>> architecture_of(nn.Dropout(0.1))
    'torch.nn.modules.dropout.Dropout(inplace=False, p=0.1, training=True)'
    """
    return _read(name, Reader.architecture, net)


def weights_of(net: nn.Module) -> str:
    """A digest of the numbers in a net's parameters and buffers."""
    return digest_of(net)


def _read(name: str, read: Callable[[Reader, Any], str], value: Any) -> str:
    try:
        return Reader([name]).all_of(read, value)
    except (Unreadable, RecursionError) as error:
        why = str(error) if isinstance(error, Unreadable) else f"{name} is too deep to be read"
        raise ValueError(
            f"{name} cannot be told from others for sure: {why}; give what holds it a name and version of its own, as in "
            '`identity = "mine, v1"` (see goodminima.core.identity), or keep nothing on disk'
        ) from None
