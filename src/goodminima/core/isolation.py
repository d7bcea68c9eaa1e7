"""PyTorch's global random numbers, left as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def isolated_rng(seed: int | None = None, *, device: str | torch.device = "cpu") -> Iterator[None]:
    """Whatever is drawn inside the `with`, PyTorch's global generators are afterwards what they were. Decorates, too.

    `torch.manual_seed` would seed the generators of all GPUs, now or when CUDA wakes up, and `torch.random.fork_rng`
    gives back none of those that it was not told of.

    Args:
        seed: What the generators of the CPU and of `device` are seeded with inside; None to go on as they are.
        device: Where else is drawn.

    >>> before = torch.get_rng_state()
    >>> with isolated_rng(0):
    ...     torch.rand(1)
    tensor([0.4963])
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    generators = [torch.default_generator, *_generators_of_gpus(torch.device(device))]
    before = [generator.get_state() for generator in generators]
    try:
        if seed is not None:
            for generator in generators:
                generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def _generators_of_gpus(device: torch.device) -> tuple[torch.Generator, ...]:
    """Those of all GPUs that are awake, or about to be woken up."""
    if device.type == "cuda":
        torch.cuda.init()
    return tuple(torch.cuda.default_generators) if torch.cuda.is_initialized() else ()
