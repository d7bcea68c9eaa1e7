"""Table 5: few-shot heads on frozen features, by Pattern Search and by SGD; an entry for each of its two data sets."""

from collections.abc import Mapping

from goodminima.experiments.chiang2023.few_shot import (
    ACCURACY,
    GAIN,
    GAIN_INTERVAL,
    INTERVAL,
    LABELS,
    NOWHERE,
    FeatureTraining,
    FewShotCell,
    FewShotScale,
    Optimizer,
    Start,
    run_few_shot,
)
from goodminima.experiments.experiment import Cell, Claim, Experiment, Scale
from goodminima.experiments.paper_values import printed_row

_NAMES: Mapping[Optimizer, str] = {"SGD": "sgd", "Pattern Search": "pattern", "ridge": "ridge", "SVM": "svm"}
_BETTER = Claim("Pattern Search does better than SGD on the same episodes", above=0.0)

# By optimizer: the accuracy as printed and, for Pattern Search, what it is above SGD's, errors combined as independent.
_CIFAR_FS: Mapping[Optimizer, str] = {"SGD": "68.35±0.46", "Pattern Search": "70.25±0.45 1.90±0.64"}
_MINI_IMAGENET: Mapping[Optimizer, str] = {"SGD": "55.76±0.42", "Pattern Search": "58.53±0.41 2.77±0.59"}


_ROWS: tuple[tuple[int, Optimizer, Start], ...] = (
    (1, "SGD", "PyTorch"),
    (1, "Pattern Search", "PyTorch"),
    (1, "ridge", NOWHERE),
    (1, "SVM", NOWHERE),
    (1, "SGD", "cube"),
    (1, "Pattern Search", "cube"),
    (5, "SGD", "PyTorch"),
    (5, "Pattern Search", "PyTorch"),
    (5, "ridge", NOWHERE),
    (5, "SVM", NOWHERE),
)


def _cell(shots: int, optimizer: Optimizer, start: Start, printed: Mapping[Optimizer, str]) -> Cell[FewShotCell]:
    """The cell of one row: `1-shot/pattern`, say, or `1-shot/pattern/cube`."""
    compared = (ACCURACY,) if optimizer == "SGD" else (ACCURACY, GAIN)
    intervals = (INTERVAL,) if optimizer == "SGD" else (INTERVAL, GAIN_INTERVAL)
    is_printed = shots == 1 and optimizer in printed
    return Cell(
        name=f"{shots}-shot/{_NAMES[optimizer]}{'/cube' if start == 'cube' else ''}",
        settings=FewShotCell(shots=shots, optimizer=optimizer, start=start),
        measures=tuple(name for pair in zip(compared, intervals, strict=True) for name in pair),
        printed=printed_row(compared, printed[optimizer]) if is_printed else {},
        claims={GAIN: _BETTER} if is_printed and GAIN in compared else {},
    )


def _scales(laptop: FewShotScale, paper: FewShotScale) -> Mapping[str, Scale]:
    smoke = FewShotScale(
        width=1 / 16, drop_rate=0.0, drop_size=1, images=1800, epochs=2,
        recipe=FeatureTraining(batch_size=32, lr=0.05, flip=False), episodes=20, steps=50,
    )  # fmt: skip
    return {
        "smoke": Scale(replicates=1, settings=smoke),
        "laptop": Scale(replicates=1, settings=laptop, comparable=False),
        "paper": Scale(replicates=1, settings=paper),
    }


_REMARKS = (
    "Errors are standard errors over the episodes, as the paper's are; gains are paired, so that their errors are smaller.",
    "Smoke and laptop scale have a thin ResNet-12 trained for minutes: their accuracies are lower than the paper's, "
    "whose comparison of the optimizers is the point.",
    "The paper says neither how SGD trains the heads nor where they start, and the authors' code has no few-shot part. "
    "Ours takes 100 steps on the whole episode, lr 0.01, momentum 0.9, near Chen et al. 2019; heads start from PyTorch's "
    "initialisation, or from the cube [-1, 1]^D as the paper's other nets do.",
    "Pattern Search lowers the normalised loss, SGD the plain one. A step of Pattern Search is an accepted candidate.",
    "Features are averaged over the image and go into the heads as they are; ridge has penalty 50, the SVM C = "
    "0.1, as in the code of Lee et al. 2019.",
    "Features are trained by plain cross entropy on the base classes; the 16 classes left aside for validation are not used.",
)

TABLE5 = Experiment(
    name="chiang2023/table5",
    title="Few-shot heads on CIFAR-FS: Pattern Search against SGD",
    claim="Where only a linear head is learned from a few images, Pattern Search generalises better than SGD: gradients are "
    "not needed.",
    source="Chiang et al. 2023, Table 5, CIFAR-FS",
    data="digits",
    paper_data=("cifar100",),
    cells=tuple(_cell(*row, _CIFAR_FS) for row in _ROWS),
    scales=_scales(
        laptop=FewShotScale(
            width=0.25, drop_rate=0.0, drop_size=1, images=340_000, epochs=60,
            recipe=FeatureTraining(batch_size=128, lr=0.1), episodes=600, steps=3000,
        ),
        paper=FewShotScale(
            width=1.0, drop_rate=0.1, drop_size=2, images=3_840_000, epochs=100,
            recipe=FeatureTraining(batch_size=64, lr=0.05), episodes=600, steps=3000,
        ),
    ),
    run_cell=run_few_shot,
    row_labels=LABELS,
    picture="paired_episodes",
    remarks=(
        "The paper's values are for CIFAR-FS (`--data cifar100`, its classes split 64/16/20); other data are measured for "
        "their own sake.",
        *_REMARKS,
    ),
)  # fmt: skip

TABLE5_MINI_IMAGENET = Experiment(
    name="chiang2023/table5_mini_imagenet",
    title="Few-shot heads on mini-ImageNet: Pattern Search against SGD",
    claim=TABLE5.claim,
    source="Chiang et al. 2023, Table 5, mini-ImageNet",
    data="digits",
    paper_data=("mini_imagenet",),
    cells=tuple(_cell(*row, _MINI_IMAGENET) for row in _ROWS),
    scales=_scales(
        laptop=FewShotScale(
            width=0.125, drop_rate=0.0, drop_size=1, images=200_000, epochs=60,
            recipe=FeatureTraining(batch_size=128, lr=0.1), episodes=600, steps=3000,
        ),
        paper=FewShotScale(
            width=1.0, drop_rate=0.1, drop_size=5, images=3_840_000, epochs=100,
            recipe=FeatureTraining(batch_size=64, lr=0.05), episodes=600, steps=3000,
        ),
    ),
    run_cell=run_few_shot,
    row_labels=LABELS,
    picture="paired_episodes",
    remarks=(
        "The paper's values are for mini-ImageNet (`--data` a folder of it, 84x84, classes split by its own train and test "
        "folders or a file split.json); other data are measured for their own sake.",
        *_REMARKS,
    ),
)  # fmt: skip
