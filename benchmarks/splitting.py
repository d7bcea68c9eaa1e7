"""How large the sets are that splitting reaches, how well, and how many evaluations counting would need instead.

    python benchmarks/splitting.py [--json] [--quick] [--data FOLDER] [--task SEED]

LeNet of width 0.5 from the unit cube, two classes (of MNIST, digits 4 and 6), every image right; each n is measured by
independent runs on one core. An evaluation is a forward pass of one image; `sd` the standard deviation of log10 V between runs;
seconds are those of the processor. Counting to the relative error of one run, sd ln 10, takes (1 - V) / (V (sd ln 10)^2)
guesses. Plain counting evaluates all n images for each; ours shows them one after another until one is wrong, on
average 1 + V_1 + ... + V_(n-1) of them, V_k the volume for the first k. Ratios are their evaluations over those of a run; they
grow like 1 / V, and so hang on how hard the images of a task are.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch

from goodminima.nets import LeNet
from goodminima.population import native
from goodminima.tasks import few_shot, load_images
from goodminima.volume import Split, split_volume

_SIZES, _QUICK_SIZES = (2, 4, 8, 16, 32, 64, 128), (2, 8, 32)
_REPEATS, _QUICK_REPEATS = 5, 3
_TASK = 134  # seed of the tasks: MNIST's digits 4 and 6
_LOG10 = math.log(10)


@dataclass(frozen=True)
class Record:
    """One line of the table: a run's figures are means over the runs."""

    n: int
    runs: int
    log10_volume: float | None
    low: float
    high: float
    sd: float | None
    status: str
    seconds: float
    evaluations: float
    counting_guesses: float | None
    plain_ratio: float | None
    screened_ratio: float | None


def measure(
    data: str, sizes: tuple[int, ...], repeats: int, *, task_seed: int, particles: int, sweeps: int
) -> Iterator[Record]:
    images = load_images(data)
    for n in sizes:
        task = few_shot(images, num_samples=n, num_classes=2, seed=task_seed)
        channels, height, width = task.train.x.shape[1:]
        net = LeNet(width=0.5, in_shape=(channels, height, width))
        begin = time.process_time()
        split = split_volume(net, task, particles=particles, sweeps=sweeps, repeats=repeats, seed=n)
        seconds = (time.process_time() - begin) / repeats
        yield _record(n, split, seconds)


def _record(n: int, split: Split, seconds: float) -> Record:
    volume, runs = split.log_volume, len(split.runs)
    logs = np.array([run.estimates[0].log_volume for run in split.runs])
    spread = float(logs.std(ddof=1)) if np.isfinite(logs).all() else None
    guesses = None if spread is None else _guesses(logs, spread)
    per_guess = None if guesses is None else guesses * runs / split.evaluations
    return Record(
        n=n,
        runs=runs,
        log10_volume=None if volume.estimate is None else volume.estimate / _LOG10,
        low=volume.low / _LOG10,
        high=volume.high / _LOG10,
        sd=None if spread is None else spread / _LOG10,
        status=str(split.status),
        seconds=seconds,
        evaluations=split.evaluations / runs,
        counting_guesses=guesses,
        plain_ratio=None if per_guess is None else n * per_guess,
        screened_ratio=None if per_guess is None else _shown(split) * per_guess,
    )


def _guesses(logs: np.ndarray, spread: float) -> float:
    """Guesses after which counting has the relative error of one run; V is the mean of the runs' volumes."""
    mean = float(np.exp(logs).mean())
    return (1 - mean) / (mean * spread**2)


def _shown(split: Split) -> float:
    """Images that a guess is shown on average until one is wrong."""
    smaller = [volume.estimate for _, volume in split.by_samples[:-1]]
    return 1 + sum(math.exp(estimate) for estimate in smaller if estimate is not None)


def _print_table(records: Iterator[Record]) -> None:
    columns = {"n": 4, "runs": 6, "log10 V": 9, "95 % interval": 19, "sd": 8, "seconds": 9, "evaluations": 13}
    columns |= {"guesses": 10, "plain": 12, "screened": 10}
    print("".join(f"{name:>{width}}" for name, width in columns.items()), flush=True)
    for r in records:
        interval = f"[{r.low:.3f}, {r.high:.3f}]"
        cells = [r.n, r.runs, _told(r.log10_volume, ".3f"), interval, _told(r.sd, ".3f"), f"{r.seconds:.1f}"]
        cells += [f"{r.evaluations:,.0f}", _told(r.counting_guesses, ".2g")]
        cells += [_told(r.plain_ratio, ".3gx"), _told(r.screened_ratio, ".3gx")]
        line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, columns.values(), strict=True))
        print(line + ("" if r.status == "solved" else f"  {r.status}"), flush=True)
    print(f"\ncompiled kernel: {native.instruction_set() if native.available() else native.unavailable_reason()}")


def _told(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form.removesuffix('x')}}" + "x" * form.endswith("x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print records and nothing else")
    parser.add_argument("--quick", action="store_true", help="three runs of n = 2, 8, 32 instead of five up to 128")
    parser.add_argument("--data", default="digits", help="image data set, by name or folder")
    parser.add_argument("--task", type=int, default=_TASK, help="seed of the classes and images")
    parser.add_argument("--particles", type=int, default=256, help="particles of a run")
    parser.add_argument("--sweeps", type=int, default=6, help="sweeps over the net at each level")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sizes, repeats = (_QUICK_SIZES, _QUICK_REPEATS) if arguments.quick else (_SIZES, _REPEATS)
    work = {"task_seed": arguments.task, "particles": arguments.particles, "sweeps": arguments.sweeps}
    records = measure(arguments.data, sizes, repeats, **work)
    if arguments.json:
        print(json.dumps([asdict(record) for record in records], indent=1))
    else:
        _print_table(records)


if __name__ == "__main__":
    main()
