"""Very many guesses in a row: memory must stay flat, and the acceptance rate of the last tenth equal that of the first.

python benchmarks/endurance.py [--guesses 100000000] [--data FOLDER]
"""

import argparse
import math
import os
import time
from pathlib import Path

import torch
from scipy.stats import fisher_exact

from goodminima.core.progress import Progress
from goodminima.nets import LeNet
from goodminima.search import Fits, guess_and_check
from goodminima.tasks import few_shot, load_images


def resident_megabytes() -> float:
    """Memory of this process that is in use, from the kernel's own count (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guesses", type=int, default=100_000_000)
    parser.add_argument("--data", default="digits", help="image data set, by name or folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = few_shot(load_images(arguments.data), num_samples=4, num_classes=2, seed=0)
    tenths, memory = [0] * 10, []

    def callback(progress: Progress) -> None:
        guesses, hits = int(progress.effort), progress.detail
        tenth = min(9, (guesses - 1) * 10 // arguments.guesses)
        tenths[tenth] = hits[0] - sum(tenths[:tenth])
        if len(memory) <= tenth:
            memory.append(resident_megabytes())
            print(f"{guesses:>13,} guesses  {hits[0]:>9,} hits  {memory[-1]:7.1f} MB", flush=True)

    begin = time.perf_counter()
    found = guess_and_check(
        LeNet(width=0.5), task, accept=Fits(loss_below=0.65), num_solutions=math.inf, keep=10, budget=arguments.guesses,
        threads=os.cpu_count() or 1, chunk=50_000, callback=callback,
    )  # fmt: skip
    seconds, tenth = time.perf_counter() - begin, found.guesses // 10
    table = [[tenths[0], tenth - tenths[0]], [tenths[-1], tenth - tenths[-1]]]
    print(
        f"{found.guesses:,} guesses in {seconds:,.0f} s, {found.guesses / seconds:,.0f} a second; {found.count().log_volume()}"
    )
    print(f"hits by tenth: {', '.join(f'{hits:,}' for hits in tenths)}")
    _, p_value = fisher_exact(table)
    print(f"first against last tenth: p = {p_value:.3f} (Fisher's exact test)")
    print(f"memory after the first tenth {memory[1]:.1f} MB, at the end {resident_megabytes():.1f} MB")


if __name__ == "__main__":
    main()
