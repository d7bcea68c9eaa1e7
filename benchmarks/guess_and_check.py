"""Guesses per second of Guess & Check, as ratios to a plain baseline measured in the same run.

    python benchmarks/guess_and_check.py [--json] [--quick] [--data FOLDER]

The baseline is the obvious way with PyTorch: P nets as one net with grouped convolutions, PyTorch's own generator, all
samples evaluated for every guess. The roofline of the compiled kernel is the time that its generator alone takes, plus
that of the images each guess had to be shown (up to its first wrong one) at the measured peak rate of multiply-adds.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.nets import MLP, LeNet
from goodminima.population import Cube, native
from goodminima.population.compiled import CompiledNet
from goodminima.population.native.speed import generator_seconds, peak_flops
from goodminima.population.normalise import normed_ranges
from goodminima.search import Fits, guess_and_check
from goodminima.search.screening import SLACK, interleaved
from goodminima.tasks import Examples, Task, few_shot, load_images

_CORES = os.cpu_count() or 1
_ACCEPT = Fits(loss_below=0.65)
_STRETCHES = 3


@dataclass(frozen=True)
class Record:
    """One line of the table; `ratio` is to the grouped-convolution baseline on the same cores."""

    net: str
    width: float | None
    n: int
    threads: int
    baseline_guesses_per_second: float
    guesses_per_second: float
    ratio: float
    roofline_share: float | None


class GroupedLeNet:
    """P LeNets as one net with grouped convolutions: what one writes first."""

    def __init__(self, net: LeNet, members: int) -> None:
        self.members = members
        self.layers = [layer for layer in net if isinstance(layer, nn.Conv2d | nn.Linear)]

    def guess(self) -> list[tuple[Tensor, Tensor]]:
        drawn = []
        for layer in self.layers:
            rows = self.members * layer.weight.shape[0]
            shape = layer.weight.shape[1:] if isinstance(layer, nn.Conv2d) else (layer.in_features, 1, 1)
            drawn.append((torch.empty(rows, *shape).uniform_(-1, 1), torch.empty(rows).uniform_(-1, 1)))
        return drawn

    def logits(self, weights: list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
        h = x.repeat(1, self.members, 1, 1)
        for (weight, bias), layer in zip(weights, self.layers, strict=True):
            if isinstance(layer, nn.Linear) and h.shape[-1] > 1:
                h = h.reshape(len(x), -1, 1, 1)
            h = F.conv2d(h, weight, bias, groups=self.members)
            if isinstance(layer, nn.Conv2d):
                h = F.max_pool2d(h.relu(), 2)
            elif layer is not self.layers[-1]:
                h = h.relu()
        return h.view(len(x), self.members, -1)


class GroupedMLP:
    """P small MLPs with weights (P, in, out), multiplied by broadcasting."""

    def __init__(self, net: MLP, members: int) -> None:
        self.members = members
        self.sizes = [(layer.in_features, layer.out_features) for layer in net if isinstance(layer, nn.Linear)]

    def guess(self) -> list[tuple[Tensor, Tensor]]:
        weights = [torch.empty(self.members, *size).uniform_(-1, 1) for size in self.sizes]
        biases = [torch.zeros(self.members, 1, self.sizes[0][1]), torch.empty(self.members, 1, 2).uniform_(-1, 1)]
        return list(zip(weights, biases, strict=True))

    def logits(self, weights: list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
        (first, _), (second, bias) = weights
        return ((x @ first).relu() @ second + bias).transpose(0, 1)


def baseline_rate(net: LeNet | MLP, task: Task, seconds: float) -> float:
    """Guesses per second of the baseline, at its best of several population sizes and numbers of threads."""
    best = 0.0
    for members in (32, 128) if isinstance(net, LeNet) else (256, 2048):
        grouped = GroupedLeNet(net, members) if isinstance(net, LeNet) else GroupedMLP(net, members)

        def one(grouped: GroupedLeNet | GroupedMLP = grouped) -> Tensor:
            logits = grouped.logits(grouped.guess(), task.train.x)
            return (logits.argmax(2) == task.train.y[:, None]).all(0)

        for threads in {
            1,
            _CORES,
        }:  # on a shared machine one thread can be faster than threads that wait for each other
            torch.set_num_threads(threads)
            best = max(best, members * _calls_per_second(one, seconds / 2))
    torch.set_num_threads(1)  # threads of ours are chunks, not parts of a product
    return best


@torch.no_grad()
def _calls_per_second(call: Callable[[], object], seconds: float) -> float:
    """The best of several stretches: what shares the machine only ever slows down."""
    best = 0.0
    for _ in range(_STRETCHES):
        begin, calls = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds / _STRETCHES:
            call()
            calls += 1
        best = max(best, calls / (time.perf_counter() - begin))
    return best


def our_rate(net: nn.Module, task: Task, *, threads: int, seconds: float) -> float:
    """Guesses per second of `guess_and_check`, the whole call; the best of several stretches."""
    options = {"accept": _ACCEPT, "num_solutions": math.inf, "threads": threads, "chunk": 32_768}
    budget, best, elapsed = 2048, 0.0, 0.0
    while elapsed < seconds / _STRETCHES:
        budget *= max(2, min(8, int(seconds / _STRETCHES / max(elapsed, 1e-3))))
        elapsed = _elapsed(net, task, budget, options)
    for _ in range(_STRETCHES):
        best = max(best, budget / _elapsed(net, task, budget, options))
    return best


def _elapsed(net: nn.Module, task: Task, budget: int, options: dict[str, Any]) -> float:
    begin = time.perf_counter()
    guess_and_check(net, task, budget=budget, **options)
    return time.perf_counter() - begin


def roofline_seconds(net: nn.Module, task: Task, *, peak: float) -> float:
    """Seconds a guess on one core that no implementation of this plan beats."""
    prior, examples, count = Cube(1.0), interleaved(task.train), 16_384
    compiled = CompiledNet.of(net, tuple(examples.x.shape[1:]))
    screener = compiled.screener(examples, prior, seed=0, loss_below=_ACCEPT.loss_below, slack=SLACK)
    shown = screener.run(0, count).images_shown
    operations = 2 * compiled.program.multiply_adds
    return generator_seconds(prior.half_widths(net), normed_ranges(net)) + shown / count * operations / peak


def tasks(data: str) -> Iterator[tuple[str, float | None, LeNet | MLP, Task]]:
    images = load_images(data)
    for width, n in [(0.5, n) for n in (16, 2, 4, 8, 32)] + [(width, 16) for width in (0.2, 0.3, 0.4, 0.6, 0.8, 1.0)]:
        task = few_shot(images, num_samples=n, num_classes=2, seed=0)
        yield "LeNet", width, LeNet(width=width), task
    generator = torch.Generator().manual_seed(0)
    for n in (8, 16):
        x = torch.randn(n, 3, 32, 32, generator=generator)
        yield "LeNet 3x32x32", 0.5, LeNet(width=0.5, in_shape=(3, 32, 32)), _task(x, torch.arange(n) % 2)
    x = torch.rand(140, 2, generator=generator) * 2 - 1
    yield "MLP 2-40-2", None, MLP(in_features=2, hidden=(40,)), _task(x, (x[:, 0] > 0).long())


def _task(x: Tensor, y: Tensor) -> Task:
    return Task(train=Examples(x, y), test=Examples(x, y), num_classes=2, name="benchmark", origin="random numbers")


def measure(data: str, seconds: float) -> Iterator[Record]:
    peak = peak_flops() if native.available() else math.nan
    for index, (name, width, net, task) in enumerate(tasks(data)):
        baseline = baseline_rate(net, task, seconds)
        ideal = roofline_seconds(net, task, peak=peak) if native.available() else None
        for threads in (1, _CORES) if index == 0 else (_CORES,):
            rate = our_rate(net, task, threads=threads, seconds=seconds)
            share = None if ideal is None else rate * ideal / threads
            yield Record(name, width, len(task.train), threads, baseline, rate, rate / baseline, share)


def _slope(records: list[Record], along: str) -> float:
    """d log(seconds a guess) / d log(`along`), by least squares over the LeNets that differ in it."""
    fixed, level = ("n", 16) if along == "width" else ("width", 0.5)
    lenets = [r for r in records if r.net == "LeNet" and r.threads == _CORES and getattr(r, fixed) == level]
    costs = np.log([1 / r.guesses_per_second for r in lenets])
    return float(np.polyfit(np.log([getattr(r, along) for r in lenets]), costs, 1)[0])


def _print_table(records: list[Record]) -> None:
    print(
        f"{'net':<14}{'width':>6}{'n':>5}{'threads':>9}{'baseline/s':>12}{'guesses/s':>12}{'ratio':>8}{'roofline':>10}"
    )
    for r in records:
        share = "-" if r.roofline_share is None else f"{r.roofline_share:.0%}"
        width = "-" if r.width is None else f"{r.width:g}"
        print(
            f"{r.net:<14}{width:>6}{r.n:>5}{r.threads:>9}{r.baseline_guesses_per_second:>12,.0f}"
            f"{r.guesses_per_second:>12,.0f}{r.ratio:>7.1f}x{share:>10}"
        )
    one, all_cores = (next(r for r in records if r.threads == t and r.n == 16 and r.width == 0.5) for t in (1, _CORES))
    print(f"\n{_CORES} cores give {all_cores.guesses_per_second / one.guesses_per_second:.2f}x one core")
    print(f"cost of a guess goes as width^{_slope(records, 'width'):.2f} and n^{_slope(records, 'n'):.2f}")
    print(f"compiled kernel: {native.instruction_set() if native.available() else native.unavailable_reason()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print records and nothing else")
    parser.add_argument("--quick", action="store_true", help="0.3 s a measurement instead of 2 s")
    parser.add_argument("--data", default="digits", help="image data set, by name or folder")
    arguments = parser.parse_args()
    records = list(measure(arguments.data, 0.3 if arguments.quick else 2.0))
    if arguments.json:
        print(json.dumps([asdict(record) for record in records], indent=1))
    else:
        _print_table(records)


if __name__ == "__main__":
    main()
