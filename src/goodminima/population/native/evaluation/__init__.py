"""Logits of many members in the compiled kernel: members are the lanes."""

import numpy as np
from jaxtyping import Float, Float32

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import Program


def logits(
    program: Program, theta: Float[np.ndarray, "P D"], x: Float[np.ndarray, "N ..."]
) -> Float32[np.ndarray, "P N C"]:
    """What each member answers to each example, in float32. On one thread, without the GIL.

    Args:
        program: The net.
        theta: Parameters, a row per member.
        x: Examples, each of the program's `input_shape`.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes or offsets do not fit together.

    Cost: P N forward passes, a registerful of members at a time.
    """
    chosen, members = instruction_set(), np.ascontiguousarray(theta, np.float32)
    return kernel().logits(chosen, program.net, members, program.images(x))
