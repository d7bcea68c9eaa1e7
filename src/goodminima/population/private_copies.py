"""Copies of a net that nobody else has: what is swapped, switched or trained is never the user's own net."""

import copy
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, final

from torch import nn

N = TypeVar("N", bound=nn.Module)


def private_copy(net: N) -> N:
    """A deep copy of a net.

    Raises:
        ValueError: If the net cannot be copied.

    >>> net = nn.Linear(1, 1)
    >>> private_copy(net) is net
    False
    """
    # Most of a module are dictionaries for hooks that nobody has set; `deepcopy` would spend half of its time on them.
    parts = (part for module in net.modules() for part in vars(module).values())
    empty: dict[int, Any] = {id(part): type(part)() for part in parts if type(part) in (dict, OrderedDict) and not part}
    try:
        return copy.deepcopy(net, empty)
    except Exception as error:  # whatever some part of the net raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{type(net).__name__} cannot be copied, and a net is never worked on itself: {reason}; take that out of it, "
            "or give it a __deepcopy__"
        ) from error


@final
class PrivateCopies(Generic[N]):
    """As many copies of one net as threads ask for one at the same time; made when they are needed, and used again.

    `torch.func.functional_call` puts other parameters into a net for the time of a call: two threads that did so with one
    net would compute with each other's, and might leave the net with what was to be taken out again.

    Args:
        net: Copied at once. What becomes of it later changes nothing here.

    >>> copies = PrivateCopies(nn.Linear(2, 1))
    >>> with copies.borrowed() as one, copies.borrowed() as other:
    ...     one is other
    False
    """

    def __init__(self, net: N) -> None:
        self._pattern = private_copy(net)  # never handed out: it may be copied at any moment
        self._free: deque[N] = deque()  # appending and popping are atomic

    @contextmanager
    def borrowed(self) -> Iterator[N]:
        """A copy that nobody else has until the `with` ends. One in which an error was raised is not used again."""
        try:
            net = self._free.pop()
        except IndexError:
            net = private_copy(self._pattern)
        yield net
        self._free.append(net)
