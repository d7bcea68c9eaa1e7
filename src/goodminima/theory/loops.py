"""Long runs of small steps: when to look at them, and looking at them without slowing them down."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from goodminima.core.progress import Callback, Progress, no_callback


def steps_taken(steps: int, total: int) -> Progress:
    """What a callback is told after so many steps of so many.

    Args:
        steps: Steps taken.
        total: Steps to be taken, at most.

    Returns:
        The progress record.
    """
    return Progress(done=steps, total=total, unit="steps")


def log_spaced(stop: int, *, start: int = 1, per_decade: int = 20) -> Int[np.ndarray, "times"]:
    """Increasing whole numbers from `start` to `stop`, evenly spaced in the logarithm where they are not too close.

    Args:
        stop: The last number.
        start: The first number, at least 1.
        per_decade: About how many numbers from one power of ten to the next.

    Returns:
        The numbers.

    Raises:
        ValueError: If `start` is below 1 or above `stop`.

    >>> log_spaced(100, per_decade=4).tolist()
    [1, 2, 3, 6, 10, 18, 32, 56, 100]
    """
    if not 1 <= start <= stop:
        raise ValueError(f"log_spaced: needs 1 <= start <= stop, got start = {start}, stop = {stop}")
    count = 1 + math.ceil(per_decade * math.log10(stop / start))
    return np.unique(np.rint(np.geomspace(start, stop, max(count, 2))).astype(np.int64))


def snapshots(
    advance: Callable[[int, int], None],
    state: Float[np.ndarray, "*shape"],
    *,
    times: Int[np.ndarray, "times"],
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times *shape"]:
    """What `state` is at each of the given times.

    Args:
        advance: `advance(begin, end)` takes steps number begin, ..., end - 1, changing `state` in place.
        state: At time 0.
        times: Increasing numbers of steps.
        callback: Called at each time with a `Progress` in steps.

    Returns:
        A copy of the state at each of the times.
    """
    path = np.empty((len(times), *state.shape))
    reached = 0
    for number, time in enumerate(times):
        advance(reached, int(time))
        reached = int(time)
        path[number] = state
        callback(steps_taken(reached, int(times[-1])))
    return path


def slope(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> float:
    """Slope of the least-squares line; of logarithms, the exponent of a power law.

    Args:
        x: Abscissas.
        y: Ordinates.

    Returns:
        The slope.

    >>> round(slope(np.log([1.0, 2.0, 4.0]), np.log([3.0, 0.75, 0.1875])), 12)
    -2.0
    """
    return float(np.polyfit(x, y, 1)[0])
