"""Table 2 beyond Guess & Check: volumes of 2 to 128 fitted images, and how uniformly drawn solutions generalise."""

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from goodminima.experiments.chiang2023.two_class import (
    BlockTraining,
    TwoClassCell,
    TwoClassScale,
    image_task,
    lenet_for,
    run_two_class,
    two_class_cell,
)
from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.experiments.volume_estimates import Splitting, VolumeEstimate, by_counting, by_splitting
from goodminima.population import Population
from goodminima.search import bins
from goodminima.tasks import Task

COUNTED = (2, 4, 8, 16, 32)  # sample counts at which guesses fit now and then
SPLIT = (2, 4, 8, 16, 32, 64, 128)
TRAINED = (64, 128)
_BINS = bins((0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65))  # Table 2's


Method = Literal["counting", "splitting"]
_METHODS: tuple[Method, ...] = ("counting", "splitting")


@final
@dataclass(frozen=True, kw_only=True)
class VolumeCell(Settings):
    """What a row sets whose volume is found; a row of trained nets sets what one of Table 2 does.

    Args:
        samples: BlockTraining images.
        optimizer: The method, as the row is labelled.
        method: How the volume is found.
        edges: Of the loss bins that draws are sorted into, from the lowest up, nats; None for no bins.
    """

    samples: Count
    optimizer: str
    method: Method
    edges: tuple[float, ...] | None = None


@final
@dataclass(frozen=True, kw_only=True)
class VolumeScale(Settings):
    """What a scale sets.

    Args:
        budget: Guesses, all of which are made.
        keep: Draws whose accuracy is taken, of each run.
        splitting: How volumes are split.
        training: What Table 2 sets, for rows of trained nets; None where there are none.
    """

    budget: Count
    keep: Count
    splitting: Splitting
    training: TwoClassScale | None = None

    def check_cell(self, cell: VolumeCell | TwoClassCell) -> None:
        """Raises ValueError where a row of trained nets lacks what it needs."""
        if isinstance(cell, TwoClassCell):
            if self.training is None:
                raise ValueError("VolumeScale: a row of trained nets needs training")
            self.training.check_cell(cell)


def run_beyond(cell: Cell[VolumeCell | TwoClassCell], context: Context[VolumeScale]) -> Outcome:
    """One task's volume and the accuracy of draws by one method; or that of trained nets, as in Table 2."""
    settings, scale = cell.settings, context.scale_settings
    if isinstance(settings, TwoClassCell):
        assert scale.training is not None  # `VolumeScale.check_cell`
        return run_two_class(cell.with_settings(settings), context.with_settings(scale.training))
    task, seed = image_task(context, num_samples=settings.samples), context.key("volume", cell.name)
    net = lenet_for(task)
    if settings.method == "counting":
        measured = by_counting(net, task, context, seed=seed, budget=scale.budget, keep=scale.keep)
    else:
        measured = by_splitting(net, task, context, seed=seed, splitting=scale.splitting, keep=scale.keep)
    return _outcome(cell, task, measured)


def _outcome(cell: Cell, task: Task, measured: VolumeEstimate) -> Outcome:
    """Draws from all that fit are, within a loss bin, draws from it: one set of draws serves all bins."""
    values: dict[str, float | None] = dict.fromkeys(cell.measures) | {"log10 V": measured.log10}
    arrays, notes = {"interval": measured.interval}, [measured.note] * bool(measured.note)
    if measured.draws is not None:
        accuracy = measured.draws.accuracy(task.test.x, task.test.y).double()
        found = {"test accuracy": float(accuracy.mean())} | _by_bin(measured.draws, accuracy, task)
        values |= {measure: found[measure] for measure in cell.measures if measure in found}
        arrays["accuracy"] = accuracy.cpu().numpy()
        empty = [str(fits) for fits in _BINS if str(fits) in values and values[str(fits)] is None]
        notes += [f"no draw in {', '.join(empty)}"] * bool(empty)
    return Outcome(values=values, errors=measured.errors, counts=measured.counts, arrays=arrays, note="; ".join(notes))


def _by_bin(draws: Population, accuracy: Tensor, task: Task) -> dict[str, float | None]:
    loss = draws.loss(task.train.x, task.train.y, normalised=True)
    margin = torch.full_like(loss, math.inf)  # they fit: they were drawn so
    chosen = {str(fits): fits.holds(loss, margin) for fits in _BINS}
    return {name: float(accuracy[some].mean()) if some.any() else None for name, some in chosen.items()}


def _cell(samples: int, method: Method) -> Cell[VolumeCell]:
    in_bins = samples in TRAINED
    edges = (_BINS[0].loss_above, *(fits.loss_below for fits in _BINS)) if in_bins else None
    return Cell(
        name=f"n={samples}/{method}",
        settings=VolumeCell(samples=samples, optimizer=method, method=method, edges=edges),
        measures=("log10 V", "test accuracy", *(map(str, _BINS) if in_bins else ())),
    )


_CELLS = (
    *(_cell(n, method) for n in COUNTED for method in _METHODS),
    *(cell for n in TRAINED for cell in (_cell(n, "splitting"), two_class_cell(n, "sgd", _BINS, {}))),
)
BEYOND_GUESSING = Experiment(
    name="volume/beyond_guessing",
    title="Volumes of 2 to 128 fitted images, and how uniformly drawn solutions generalise",
    claim="Solutions drawn uniformly, where no guess would ever find one, generalise better the more images they fit; at equal "
    "loss trained ones stay some points ahead, as they are of guessed ones at 32 images.",
    source="extends Chiang et al. 2023, Table 2",
    data="digits",
    percent=False,
    cells=_CELLS,
    scales={
        "smoke": Scale(
            replicates=1,
            cells=("n=2/counting", "n=2/splitting", "n=4/counting", "n=4/splitting"),
            settings=VolumeScale(
                budget=20_000, keep=16, splitting=Splitting(particles=64, sweeps=1, repeats=2)
            ),
        ),
        "laptop": Scale(
            replicates=2,
            settings=VolumeScale(
                budget=10_000_000, keep=64, splitting=Splitting(particles=256, sweeps=6, repeats=5),
                training=TwoClassScale(
                    num_solutions=20, keep=64, lenet_lr=1e-3, sgd=BlockTraining(members=128, member_images=128_000)
                ),
            ),
        ),
        "paper": Scale(
            replicates=20,
            settings=VolumeScale(
                budget=1_000_000_000, keep=256, splitting=Splitting(particles=1024, sweeps=12, repeats=5),
                training=TwoClassScale(
                    num_solutions=100, keep=256, lenet_lr=1e-3, sgd=BlockTraining(members=256, member_images=10**6)
                ),
            ),
        ),
    },
    run_cell=run_beyond,
    row_labels=("samples", "optimizer"),
    picture="volume_by_samples",
    remarks=(
        "A replicate is a pair of classes, the same for all rows, those of fewer samples among those of more; "
        "log10 V is of all that fit, whatever their loss.",
        "Accuracies are fractions. Draws by splitting are uniform, those of one run correlated; a loss bin has the draws that "
        "fall into it.",
        "SGD as in Table 2: frozen the first time it fits with a loss within the bin.",
    ),
)  # fmt: skip
