"""Seconds of Pattern Search in the compiled kernel, and how much less than a full evaluation one candidate costs.

    python benchmarks/pattern_search.py [--json] [--quick] [--data FOLDER]

Runs are those of the paper's Table 4: LeNet, ten classes, from the unit cube to the first 100 % of train accuracy, one
core. A full evaluation is what a candidate costs without the kernel: one plain forward pass of the module over all n
images in PyTorch, on one thread. Seconds are those of the processor.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import mean, stdev

import torch
from torch import nn

from goodminima.nets import LeNet
from goodminima.population import native
from goodminima.search import Status, pattern_search
from goodminima.tasks import Task, few_shot, load_images

_SIZES, _QUICK_SIZES = (100, 300, 500, 1000), (100, 300)
_REPLICATES, _QUICK_REPLICATES = 3, 2
_CLASSES = 10


@dataclass(frozen=True)
class Record:
    """One line of the table: means over the replicates, and the longest run."""

    n: int
    replicates: int
    seconds: float
    longest: float
    candidates: float
    steps: float
    microseconds_a_candidate: float
    full_evaluation_microseconds: float
    ratio: float
    test_accuracy: float
    standard_error: float


def full_evaluation_seconds(net: nn.Module, task: Task) -> float:
    """Processor seconds of one forward pass over the training images; the least of several, the machine being shared."""
    least = math.inf
    with torch.no_grad():
        for _ in range(7):
            begin = time.process_time()
            net(task.train.x)
            least = min(least, time.process_time() - begin)
    return least


def measure(data: str, sizes: tuple[int, ...], replicates: int) -> Iterator[Record]:
    images = load_images(data)
    for n in sizes:
        seconds, candidates, steps, accuracies, full = [], [], [], [], math.inf
        for seed in range(replicates):
            task = few_shot(images, num_samples=n, num_classes=_CLASSES, seed=seed)
            channels, height, width = task.train.x.shape[1:]
            net = LeNet(width=1.0, in_shape=(channels, height, width), num_classes=_CLASSES)
            full = min(full, full_evaluation_seconds(net, task))
            begin = time.process_time()
            found = pattern_search(net, task, seed=seed)
            seconds.append(time.process_time() - begin)
            if found.status is not Status.SOLVED:
                raise RuntimeError(f"n = {n}, seed {seed}: {found.status}")
            candidates.append(found.candidates)
            steps.append(found.steps)
            accuracies.append(float(found.population().accuracy(task.test.x, task.test.y)[0]))
        each = sum(seconds) / sum(candidates)
        yield Record(
            n=n,
            replicates=replicates,
            seconds=mean(seconds),
            longest=max(seconds),
            candidates=mean(candidates),
            steps=mean(steps),
            microseconds_a_candidate=1e6 * each,
            full_evaluation_microseconds=1e6 * full,
            ratio=full / each,
            test_accuracy=mean(accuracies),
            standard_error=stdev(accuracies) / math.sqrt(replicates),
        )


def _print_table(records: Iterator[Record]) -> None:
    print(
        f"{'n':>5}{'runs':>6}{'seconds':>9}{'longest':>9}{'candidates':>12}{'accepted':>10}{'us each':>9}"
        f"{'full us':>9}{'ratio':>8}{'test':>14}"
    )
    for r in records:
        print(
            f"{r.n:>5}{r.replicates:>6}{r.seconds:>9.2f}{r.longest:>9.2f}{r.candidates:>12,.0f}{r.steps:>10,.0f}"
            f"{r.microseconds_a_candidate:>9.1f}{r.full_evaluation_microseconds:>9,.0f}{r.ratio:>7.0f}x"
            f"{r.test_accuracy:>8.1%} ± {r.standard_error:.1%}"
        )
    print(f"\ncompiled kernel: {native.instruction_set() if native.available() else native.unavailable_reason()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print records and nothing else")
    parser.add_argument("--quick", action="store_true", help="two runs at n = 100 and 300 instead of three up to 1,000")
    parser.add_argument("--data", default="digits", help="image data set, by name or folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sizes, replicates = (_QUICK_SIZES, _QUICK_REPLICATES) if arguments.quick else (_SIZES, _REPLICATES)
    records = measure(arguments.data, sizes, replicates)
    if arguments.json:
        print(json.dumps([asdict(record) for record in records], indent=1))
    else:
        _print_table(records)


if __name__ == "__main__":
    main()
