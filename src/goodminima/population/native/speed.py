"""What bounds the kernel's speed, measured: the rate of arithmetic, and the generator alone."""

import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import box_of


def peak_flops(seconds: float = 0.2) -> float:
    """Floating-point operations per second that one core reaches on multiply-adds that stay in registers, measured."""
    chosen = instruction_set()
    rounds, elapsed, operations = 1 << 10, 0.0, 0.0
    while elapsed < seconds:
        rounds *= 2
        begin = time.perf_counter()
        operations = kernel().spin(chosen, rounds)
        elapsed = time.perf_counter() - begin
    return operations / elapsed


def generator_seconds(
    half_width: Float[np.ndarray, "D"], weights: Sequence[tuple[int, int]], *, count: int = 1 << 14
) -> float:
    """Seconds per guess of the generator alone, with the normaliser's sums of squares, measured on one core."""
    chosen, box = instruction_set(), box_of(half_width)
    begin = time.perf_counter()
    kernel().generate(chosen, box, weights, 0, count)
    return (time.perf_counter() - begin) / count
