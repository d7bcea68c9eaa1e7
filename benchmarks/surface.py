"""How much less a loss surface costs than a loop over its points, and whether it is the same surface.

    python benchmarks/surface.py [--json]

The reference is what anyone would write: for each point load the parameters into the module and run it, on one thread.
Plain: the swiss-roll net of 2-23-16-26-32-28-31-2 units on 200 points, 51 x 51. Other nets go through `torch.func`: the same
layers with BatchNorm; and ResNet18 on 256 images of 3x32x32, where a pass is long and batching has nothing to gain: it takes
one point at a time, so that its cost is linear in the points, and four of them tell the ratio of 25 x 25. Seconds are the
processor's; ratios are medians over repetitions in turn, memory is the most that the process held so far.
"""

import argparse
import copy
import itertools
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.landscape import random_directions, surface
from goodminima.nets import MLP, ResNet18
from goodminima.population import native
from goodminima.tasks import Examples

_HIDDEN = (23, 16, 26, 32, 28, 31)


@dataclass(frozen=True)
class Record:
    """One net."""

    net: str
    parameters: int
    examples: int
    points: int
    repeats: int
    loop_seconds: float
    surface_seconds: float
    ratio: float
    largest_relative_difference: float
    peak_megabytes: float


@torch.no_grad()
def looped(net: nn.Module, batch: Examples, *, steps: int) -> np.ndarray:
    """The reference: one module, one point at a time."""
    member = copy.deepcopy(net).eval()
    centre = nn.utils.parameters_to_vector(net.parameters())
    first, second = (direction.step for direction in random_directions(net))
    losses = np.empty((steps, steps))
    for row, y in enumerate(np.linspace(-1, 1, steps)):
        for column, x in enumerate(np.linspace(-1, 1, steps)):
            nn.utils.vector_to_parameters(centre + float(x) * first + float(y) * second, member.parameters())
            losses[row, column] = float(F.cross_entropy(member(batch.x), batch.y))
    return losses


def seconds(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Processor seconds of a call, and what it gave."""
    begin = time.process_time()
    found = call()
    return time.process_time() - begin, found


def measure(name: str, net: nn.Module, batch: Examples, *, steps: int, repeats: int) -> Record:
    loops, batches, worst = [], [], 0.0
    for _ in range(repeats):
        spent, wanted = seconds(lambda: looped(net, batch, steps=steps))
        loops.append(spent)
        spent, found = seconds(lambda: surface(net, batch, steps=steps).loss)
        batches.append(spent)
        worst = max(worst, float((np.abs(found - wanted) / np.abs(wanted)).max()))
    return Record(
        net=name,
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        examples=len(batch),
        points=steps**2,
        repeats=repeats,
        loop_seconds=median(loops),
        surface_seconds=median(batches),
        ratio=median(loop / each for loop, each in zip(loops, batches, strict=True)),
        largest_relative_difference=worst,
        peak_megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def with_batch_norm() -> nn.Module:
    sizes = (2, *_HIDDEN)
    layers = [
        part
        for before, after in itertools.pairwise(sizes)
        for part in (nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(_HIDDEN[-1], 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print records and nothing else")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    points = Examples(torch.randn(200, 2), torch.arange(200) % 2)
    images = Examples(torch.randn(256, 3, 32, 32), torch.arange(256) % 10)
    records = [
        measure("swiss roll", MLP(in_features=2, hidden=_HIDDEN, num_classes=2), points, steps=51, repeats=5),
        measure("with BatchNorm", with_batch_norm(), points, steps=51, repeats=3),
        measure("ResNet18", ResNet18(), images, steps=2, repeats=3),
    ]
    if arguments.json:
        print(json.dumps([asdict(record) for record in records], indent=1))
        return
    print(
        f"{'net':<16}{'parameters':>11}{'examples':>10}{'points':>8}"
        f"{'loop s':>9}{'ours s':>9}{'ratio':>8}{'difference':>12}{'MB':>7}"
    )
    for r in records:
        print(
            f"{r.net:<16}{r.parameters:>11,}{r.examples:>10}{r.points:>8,}{r.loop_seconds:>9.3f}{r.surface_seconds:>9.3f}"
            f"{r.ratio:>7.1f}x{r.largest_relative_difference:>12.1e}{r.peak_megabytes:>7.0f}"
        )
    print(f"\ncompiled kernel: {native.instruction_set() if native.available() else native.unavailable_reason()}")


if __name__ == "__main__":
    main()
