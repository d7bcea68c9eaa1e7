"""The compiled kernel: many small nets side by side in the lanes of one vector register.

It is optional. Where it is missing (`available()` is False, `why_not()` says why) everything runs on the PyTorch path.
A net comes as a *program*, a list of tuples, and the shape of one input:

    ("conv", weight, bias, in_channels, out_channels, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w)
    ("linear", weight, bias, in_features, out_features)
    ("maxpool" or "avgpool", kernel_h, kernel_w, stride_h, stride_w)
    ("relu",)
    ("flatten",)

where `weight` and `bias` are offsets into a member's parameters, bias -1 for none. Every function runs on one thread
and without the GIL: callers split their work over threads as they see fit.

The environment variable `GOODMINIMA_NATIVE` is read at each call: `0` switches the kernel off, the name of an
instruction set (`avx512`, `avx2`, `baseline`) chooses that one, and without it the best that the machine runs is taken.
"""

import difflib
import math
import os
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Int64, UInt64

try:
    import goodminima.population.native._kernel as _kernel  # noqa: PLR0402 - its error names the missing module
except ImportError as error:
    _kernel = None
    _import_error = str(error)

VARIABLE = "GOODMINIMA_NATIVE"

Program = Sequence[tuple[str | int, ...]]


class Screened(NamedTuple):
    """What a screening found; `images_shown` counts, over all guesses, the images up to the first unfit one."""

    indices: Int64[np.ndarray, "m"]
    losses: Float32[np.ndarray, "m"]
    margins: Float32[np.ndarray, "m"]
    images_shown: int


def available() -> bool:
    """Whether the kernel can be called."""
    return why_not() == ""


def why_not() -> str:
    """Why the kernel cannot be called; empty if it can."""
    if _kernel is None:
        return f"the compiled kernel is not installed ({_import_error}); a C++17 compiler at installation brings it"
    if os.environ.get(VARIABLE) == "0":
        return f"{VARIABLE}=0 switches the compiled kernel off"
    return ""


def instruction_set() -> str:
    """The instruction set in use: "avx512", "avx2" or "baseline".

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: `GOODMINIMA_NATIVE` names a set that this machine does not run.
    """
    choices = _compiled().instruction_sets()
    wanted = os.environ.get(VARIABLE, "")
    if wanted in ("", "1"):
        return choices[0]
    if wanted not in choices:
        nearest = difflib.get_close_matches(wanted, choices, n=1, cutoff=0.0)[0]
        raise ValueError(f"{VARIABLE}={wanted!r}: choose 0 or one of {', '.join(choices)}; the nearest is {nearest!r}")
    return wanted


def draw(half_width: Float[np.ndarray, "D"], seed: int, indices: UInt64[np.ndarray, "P"]) -> Float32[np.ndarray, "P D"]:
    """Guesses `indices` of `seed`: uniform on [-half_width, half_width), the bits of `population.generator`.

    Args:
        half_width: Half the width of the box along each parameter.
        seed: From 0 to 2^64 - 1.
        indices: Numbers of the guesses.
    """
    compiled, chosen = _compiled(), instruction_set()
    _check_range("seed", seed, 2**64)
    return compiled.draw(chosen, _half_width(half_width), seed, np.ascontiguousarray(indices, np.uint64))


def screen(
    program: Program,
    input_shape: Sequence[int],
    *,
    half_width: Float[np.ndarray, "D"],
    weights: Sequence[tuple[int, int]],
    unit: float,
    x: Float[np.ndarray, "n ..."],
    y: Int[np.ndarray, "n"],
    num_classes: int,
    seed: int,
    start: int,
    count: int,
    loss_below: float,
    slack: float = 1e-4,
) -> Screened:
    """Guess & Check: the guesses start .. start + count - 1 that get every example right, or nearly.

    The margin on an example is (z_y - max_{c != y} z_c) / max_c |z_c|, 0 where all logits z are 0. The loss is the mean
    cross entropy of z / prod_l (||W_l||_F / unit). A guess is dropped at the first example where its margin is below
    -slack, or where the sum of its losses exceeds n loss_below (1 + slack), or where either is not a finite number. So
    all that float64 would accept are among those returned, and the caller decides the borderline ones in float64.

    Args:
        program: The net, see the module's docstring.
        input_shape: (channels, height, width) or (features,).
        half_width: Half the width of the box along each parameter.
        weights: (offset, size) of each weight tensor W_l that enters the normaliser.
        unit: What ||W_l||_F is measured in.
        x: Examples in the order in which they are shown; begin with one of each class.
        y: Their labels, 0 .. num_classes - 1.
        num_classes: Number of logits of the net.
        seed: From 0 to 2^64 - 1.
        start: Number of the first guess; start + count may not exceed 2^63.
        count: How many guesses.
        loss_below: Upper bound of the mean normalised loss, nats; infinity for none.
        slack: Relative tolerance of both bounds.

    Returns:
        Indices in increasing order, their mean normalised losses and smallest margins (float32), the images shown.

    Raises:
        ValueError: Shapes, labels or offsets do not fit together.

    Cost: a draw per guess, and a forward pass of about as many examples as it gets right, plus one.
    """
    compiled, chosen = _compiled(), instruction_set()
    _check_range("seed", seed, 2**64)
    _check_range("start", start, 2**63)
    _check_range("count", count, 2**63 - start + 1)
    for name, value, holds in (
        ("unit", unit, 0 < unit < math.inf),
        ("loss_below", loss_below, loss_below > 0),
        ("slack", slack, 0 <= slack < math.inf),
    ):
        if not holds:
            raise ValueError(f"{name} must be positive (slack: and may be 0; loss_below: or infinite), got {value}")
    if len(y) and not 0 <= int(np.min(y)) <= int(np.max(y)) < num_classes:
        raise ValueError(f"y must hold labels from 0 to num_classes - 1 = {num_classes - 1}, got up to {np.max(y)}")
    found = compiled.screen(
        chosen,
        program,
        input_shape,
        _half_width(half_width),
        weights,
        unit,
        _images(x, input_shape),
        np.ascontiguousarray(y, np.int64),
        seed,
        start,
        count,
        loss_below,
        slack,
    )
    return Screened(*found)


def logits(
    program: Program, input_shape: Sequence[int], theta: Float[np.ndarray, "P D"], x: Float[np.ndarray, "N ..."]
) -> Float32[np.ndarray, "P N C"]:
    """What each member answers to each example, in float32.

    Args:
        program: The net, see the module's docstring.
        input_shape: (channels, height, width) or (features,).
        theta: Parameters, a row per member.
        x: Examples, each of `input_shape`.

    Raises:
        ValueError: Shapes or offsets do not fit together.
    """
    compiled, chosen = _compiled(), instruction_set()
    members = np.ascontiguousarray(theta, np.float32)
    return compiled.logits(chosen, program, input_shape, members, _images(x, input_shape))


def gradient(
    program: Program,
    input_shape: Sequence[int],
    theta: Float[np.ndarray, "P D"],
    x: Float[np.ndarray, "B ..."],
    y: Int[np.ndarray, "B"],
) -> Float32[np.ndarray, "P D"]:
    """The gradient of each member's mean cross entropy over the batch, mean_b -log softmax(z_b)[y_b], in float32.

    The derivative of ReLU at 0 is 0; a max pool passes the gradient to the first largest entry of its window. A
    probability below 1e-30 counts as 0. Parameters of no layer get 0. A member's gradient does not depend on its company.

    Args:
        program: The net, see the module's docstring; each parameter belongs to one layer at most.
        input_shape: (channels, height, width) or (features,).
        theta: Parameters, a row per member.
        x: The batch, examples of `input_shape`.
        y: Their labels, 0 .. C - 1.

    Raises:
        ValueError: Shapes, labels or offsets do not fit together.

    Cost: about four forward passes per member and example.
    """
    compiled, chosen = _compiled(), instruction_set()
    members, labels = np.ascontiguousarray(theta, np.float32), np.ascontiguousarray(y, np.int64)
    return compiled.gradient(chosen, program, input_shape, members, _images(x, input_shape), labels)


def multiply_adds(program: Program, input_shape: Sequence[int], num_parameters: int) -> int:
    """Multiply-adds of one forward pass, without those whose results no pooling window covers.

    Raises:
        ValueError: Shapes or offsets do not fit together.
    """
    return _compiled().multiply_adds(program, input_shape, num_parameters)


def peak_flops(seconds: float = 0.2) -> float:
    """Floating-point operations per second that one core reaches on multiply-adds that stay in registers, measured."""
    compiled, chosen = _compiled(), instruction_set()
    rounds, elapsed, operations = 1 << 10, 0.0, 0.0
    while elapsed < seconds:
        rounds *= 2
        begin = time.perf_counter()
        operations = compiled.spin(chosen, rounds)
        elapsed = time.perf_counter() - begin
    return operations / elapsed


def generator_seconds(
    half_width: Float[np.ndarray, "D"], weights: Sequence[tuple[int, int]], *, count: int = 1 << 14
) -> float:
    """Seconds per guess of the generator alone, with the normaliser's sums of squares, measured on one core."""
    compiled, chosen = _compiled(), instruction_set()
    begin = time.perf_counter()
    compiled.generate(chosen, _half_width(half_width), weights, 0, count)
    return (time.perf_counter() - begin) / count


def _compiled():
    if _kernel is None or not available():
        raise RuntimeError(f"native kernel: {why_not()}; ask available() first")
    return _kernel


def _check_range(name: str, value: int, end: int) -> None:
    if not 0 <= value < end:
        raise ValueError(f"{name} must lie from 0 to {end - 1}, got {value}")


def _half_width(values: Float[np.ndarray, "D"]) -> Float32[np.ndarray, "D"]:
    half_width = np.ascontiguousarray(values, np.float32)
    if not (np.isfinite(half_width).all() and (half_width >= 0).all()):
        raise ValueError("half_width must hold finite numbers that are not negative")
    return half_width


def _images(x: Float[np.ndarray, "N ..."], input_shape: Sequence[int]) -> Float32[np.ndarray, "N ..."]:
    images = np.ascontiguousarray(x, np.float32)
    if images.shape[1:] != tuple(input_shape):
        raise ValueError(f"x must hold examples of shape {tuple(input_shape)}, got an array of shape {images.shape}")
    return images
