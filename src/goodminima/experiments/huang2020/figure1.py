"""Figure 1: the way of SGD over the swiss roll, and bad minima found from every tenth epoch of it."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Printed, Scale
from goodminima.experiments.huang2020.roll import measured, roll, roll_net, start_of
from goodminima.experiments.settings import Count, Settings
from goodminima.landscape import Trajectory, pca, tsne
from goodminima.population import Population
from goodminima.tasks import FreshRolls, Task
from goodminima.train import PoisonedAdamConfig, SGDConfig, poison_together, train_population

EVERY = 10  # epochs between two snapshots
_BETA, _LR = 0.1, 0.005
_PERPLEXITY = 30.0


@final
@dataclass(frozen=True, kw_only=True)
class MinefieldScale(Settings):
    """What a scale sets.

    Args:
        epochs: Of SGD.
        steps: Of Adam, from each snapshot.
    """

    epochs: Count
    steps: Count


def run_minefield(cell: Cell, context: Context[MinefieldScale]) -> Outcome:
    """SGD's snapshots, the bad minimum found from each, how far it is, and both in two dimensions."""
    task = roll(context)
    way = _sgd(context, task)
    bad = _bad_minima(context, task, way.theta)
    good, found = (measured(task, Population(roll_net(), theta)) for theta in (way.theta, bad))
    distance = (bad - way.theta).double().norm(dim=1).cpu().numpy()
    norm = way.theta.double().norm(dim=1).cpu().numpy()
    values: dict[str, float | None] = {
        "final train accuracy": float(good.train_accuracy[-1]),
        "final test accuracy": float(good.test_accuracy[-1]),
        "bad minima, lowest train accuracy": float(found.train_accuracy.min()),
        "bad minima, highest test accuracy": float(found.test_accuracy.max()),
        "bad minima, mean test accuracy": float(found.test_accuracy.mean()),
        "distance": float(distance.mean()),
        "distance / norm, smallest": float((distance / norm).min()),
        "distance / norm, largest": float((distance / norm).max()),
    }
    both = torch.cat([way.theta, bad])
    arrays = {
        "epochs": way.when,
        "tsne": tsne(both, perplexity=min(_PERPLEXITY, len(bad) / 2), seed=0),
        "pca": pca(both).coordinates,
        "distance": distance,
        "norm": norm,
        "good_test": good.test_accuracy,
        "bad_test": found.test_accuracy,
        "bad_train": found.train_accuracy,
    }
    return Outcome(values=values, arrays=arrays, counts={"bad minima": len(bad)})


def _sgd(context: Context[MinefieldScale], task: Task) -> Trajectory:
    """Snapshots after every tenth epoch."""
    sgd = SGDConfig(lr=0.01, momentum=0.9, batch_size=32, epochs=context.scale_settings.epochs)
    snapshots = list[tuple[int, Tensor]]()
    for epoch, members in train_population(
        roll_net(), task.train, start=start_of(context, 1), sgd=sgd, seed=context.key("batches")
    ):
        if (epoch + 1) % EVERY == 0:
            snapshots.append((epoch + 1, members[0]))
            context.callback(Progress(done=epoch + 1, total=sgd.epochs, unit="epochs"))
    return Trajectory(np.array([epoch for epoch, _ in snapshots]), torch.stack([theta for _, theta in snapshots]))


def _bad_minima(context: Context[MinefieldScale], task: Task, starts: Tensor) -> Tensor:
    adam = PoisonedAdamConfig(lr=_LR, steps=context.scale_settings.steps)
    return poison_together(
        roll_net(),
        task.train,
        start=starts,
        betas=[_BETA] * len(starts),
        draw=FreshRolls(seed=context.key("fresh")),
        adam=adam,
        callback=context.callback,
    )


_MINEFIELD = Cell(
    name="minefield",
    measures=(
        "final train accuracy", "final test accuracy", "bad minima, lowest train accuracy",
        "bad minima, highest test accuracy", "bad minima, mean test accuracy", "distance", "distance / norm, smallest",
        "distance / norm, largest",
    ),
    printed={"final test accuracy": Printed(0.985)},
    claims={
        "final train accuracy": Claim("SGD ends at perfect training accuracy", above=0.9999),
        "bad minima, lowest train accuracy": Claim("every bad minimum has near perfect training accuracy", above=0.99),
        "bad minima, highest test accuracy": Claim("every bad minimum has a test accuracy below 53 %", below=0.53),
        "distance / norm, largest": Claim(
            "a bad minimum is close to every iterate: nearer than the iterate's own norm", below=1.0
        ),
    },
)  # fmt: skip
FIGURE1 = Experiment(
    name="huang2020/figure1",
    title="A minefield of bad minima around the way of SGD",
    claim="From every iterate of SGD a bad minimum is found easily, yet SGD avoids them all and ends in one that generalises.",
    source="Huang et al. 2020, Figure 1",
    percent=False,
    cells=(_MINEFIELD,),
    scales={
        "smoke": Scale(replicates=1, settings=MinefieldScale(epochs=120, steps=150)),
        "laptop": Scale(replicates=3, settings=MinefieldScale(epochs=400, steps=6000)),
        "paper": Scale(replicates=3, settings=MinefieldScale(epochs=2000, steps=40000)),
    },
    run_cell=run_minefield,
    picture="minefield",
    remarks=(
        "200 training points; SGD with learning rate 0.01, momentum 0.9, batches of 32. From each iterate full-batch Adam, "
        "0.005 falling along a cosine, on eq. 3 with beta 0.1 and 200 fresh points a step, where the authors flip the labels of "
        "half of a fixed test set.",
        "The paper gives no measure of closeness; here it is the distance over the iterate's norm, biases included.",
    ),
)
