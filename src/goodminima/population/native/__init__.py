"""The compiled kernel: many small nets side by side in the lanes of one vector register.

It is optional. Where it is missing (`available()` is False, `unavailable_reason()` says why) everything runs on the PyTorch
path. Each engine is a folder with its Python face and its C++: `evaluation`, `screening`, `training`, `local_search`, `gibbs`;
what they share is in `common`. All of them read a net as a `program.Program`.

The environment variable `GOODMINIMA_NATIVE` is read whenever the kernel is called: `0` switches it off, the name of an
instruction set (`avx512`, `avx2`, `baseline`) chooses that one, and without it the best that the machine runs is taken.
"""

import difflib
import os

try:
    import goodminima.population.native._kernel as _kernel  # noqa: PLR0402 - its error names the missing module
except ImportError as error:
    _kernel = None
    _import_error = str(error)

VARIABLE = "GOODMINIMA_NATIVE"


def available() -> bool:
    """Whether the kernel can be called."""
    return unavailable_reason() == ""


def unavailable_reason() -> str:
    """Why the kernel cannot be called; empty if it can."""
    if _kernel is None:
        return f"the compiled kernel is not installed ({_import_error}); a C++17 compiler at installation brings it"
    if os.environ.get(VARIABLE) == "0":
        return f"{VARIABLE}=0 switches the compiled kernel off"
    return ""


def instruction_sets() -> list[str]:
    """The instruction sets that this machine runs, best first; none without the kernel."""
    return _kernel.instruction_sets() if _kernel is not None else []


def instruction_set() -> str:
    """The instruction set in use: "avx512", "avx2" or "baseline".

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: `GOODMINIMA_NATIVE` names a set that this machine does not run.
    """
    choices = kernel().instruction_sets()
    wanted = os.environ.get(VARIABLE, "")
    if wanted in ("", "1"):
        return choices[0]
    if wanted not in choices:
        nearest = difflib.get_close_matches(wanted, choices, n=1, cutoff=0.0)[0]
        raise ValueError(f"{VARIABLE}={wanted!r}: choose 0 or one of {', '.join(choices)}; the nearest is {nearest!r}")
    return wanted


def kernel():
    """The compiled module, for the engines.

    Raises:
        RuntimeError: The kernel is not available.
    """
    if _kernel is None or not available():
        raise RuntimeError(f"native kernel: {unavailable_reason()}; ask available() first")
    return _kernel
