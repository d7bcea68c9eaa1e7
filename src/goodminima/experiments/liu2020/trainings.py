"""The trainings of one replicate: every entry asks for them by the same words, so that none is made twice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, final

import torch
from torch import nn

from goodminima.core.checks import check_choice
from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Context, Scale
from goodminima.experiments.liu2020.recipes import PAPER, PAPER_NETS, Mode, PaperNet, Tuning, black
from goodminima.experiments.settings import Count, Probability, Settings
from goodminima.experiments.shared_trainings import shared_training, try_shared_training
from goodminima.nets import SmallConv
from goodminima.tasks import ImageData, Task, class_task, full_task, load_images
from goodminima.train import Constant, Cosine, Fit, adversarial_init, fit

Net = Literal["SmallConv"] | PaperNet
SMALL: Net = "SmallConv"  # what a laptop trains, whatever the paper does
Start = Literal["random", "adversarial"]
STARTS: tuple[Start, ...] = ("random", "adversarial")
# The four models that the paper measures: vanilla and SOTA SGD from either start.
Model = Literal["V-rand", "V-adv", "S-rand", "S-adv"]
MODELS: Mapping[Model, tuple[Mode, Start]] = {
    "V-rand": ("vanilla", "random"),
    "V-adv": ("vanilla", "adversarial"),
    "S-rand": ("SOTA", "random"),
    "S-adv": ("SOTA", "adversarial"),
}
NETS: Mapping[Net, Callable[..., nn.Module]] = {SMALL: SmallConv, **PAPER_NETS}


@final
@dataclass(frozen=True, kw_only=True)
class Setting(Settings):
    """What the trainings of a scale have in common; all entries have the same, and so share them.

    Args:
        tuning: Hyper-parameters of the eight modes.
        memorising: Those of the training on random labels, which is vanilla and ends at 100 %.
        replicas: R, copies of each image with random labels.
        zero_out: The fraction of each copy's values that are black.
        classes: How many, from the first on; None for all.
        per_class: Training images of each; None for all.
        evaluate_every: Epochs between two measurements of the accuracies.
    """

    tuning: Tuning
    memorising: Tuning
    replicas: Count = 10
    zero_out: Probability = 0.1
    classes: Count | None = None
    per_class: Count | None = None
    evaluate_every: Count = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.classes is None) != (self.per_class is None):
            raise ValueError(
                f"Setting: classes and per_class must both be numbers or both be None, got {self.classes} and "
                f"{self.per_class}"
            )


SMOKE = Setting(
    tuning=Tuning(lr=0.1, epochs=6, schedule=Cosine(), batch_size=10, weight_decay=4e-3, momentum=0.8, pad=2),
    memorising=Tuning(lr=0.1, epochs=12, schedule=Cosine(), batch_size=10),
    replicas=2,
    classes=4,
    per_class=10,
)
# Found on seeds that are not reported: few images, small batches and l2 as strong as 100 % train allows.
LAPTOP = Setting(
    tuning=Tuning(lr=0.1, epochs=140, schedule=Cosine(), batch_size=16, weight_decay=7e-3, momentum=0.8, pad=2),
    memorising=Tuning(lr=0.2, epochs=100, schedule=Constant(), batch_size=32),
    classes=4,
    per_class=200,
    evaluate_every=4,
)
_LAPTOP_REPLICATES = 3


def paper_setting(data: str) -> Setting:
    """The paper's own, for one of its four data sets."""
    return Setting(tuning=PAPER[data], memorising=PAPER[data], evaluate_every=25)


def scales(
    *,
    smoke: Settings,
    laptop: Settings,
    paper: Settings,
    small_cells: tuple[str, ...] | None = None,
    paper_cells: tuple[str, ...] | None = None,
) -> Mapping[str, Scale]:
    """The three scales of an entry.

    Args:
        smoke: What this scale sets.
        laptop: Likewise.
        paper: Likewise.
        small_cells: Cells of smoke and laptop, None for all.
        paper_cells: Cells of the paper's scale, likewise.
    """
    return {
        "smoke": Scale(replicates=1, cells=small_cells, settings=smoke, comparable=False),
        "laptop": Scale(replicates=_LAPTOP_REPLICATES, cells=small_cells, settings=laptop, comparable=False),
        "paper": Scale(replicates=5, cells=paper_cells, settings=paper),
    }


@final
@dataclass(frozen=True, kw_only=True)
class Trainings:
    """The trainings of one replicate and net, made when they are asked for.

    Args:
        context: Of the replicate; its `keep` is where the trainings stay.
        setting: Of the scale.
        net: One of `NETS`.
    """

    context: Context
    setting: Setting
    net: Net

    def __post_init__(self) -> None:
        check_choice("net", self.net, tuple(NETS))

    @cached_property
    def images(self) -> ImageData:
        """All images of the run's data."""
        assert self.context.data is not None
        return load_images(self.context.data)

    @cached_property
    def task(self) -> Task:
        """What is learned: other training images in each replicate, where the setting takes only some."""
        setting = self.setting
        if setting.classes is None or setting.per_class is None:
            return full_task(self.images)
        seed = self.context.key("task")
        return class_task(self.images, classes=range(setting.classes), per_class=setting.per_class, seed=seed)

    @cached_property
    def start(self) -> nn.Module:
        """W_0^R: PyTorch's own initialisation."""
        channels, height, width = self.task.train.x.shape[1:]
        of_images = {"in_shape": (channels, height, width)} if self.net == SMALL else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.context.key("start", self.net))
            return NETS[self.net](num_classes=self.task.num_classes, **of_images)

    def adversarial(self, replicas: int | None = None) -> Fit:
        """W_0^A: the start that has learned random labels of R copies of each image."""
        name, train = self._memorised(replicas)
        return shared_training(self.context, name, train)

    def fitted(self, mode: Mode, start: Start, replicas: int | None = None) -> Fit:
        """W_V, W_S or another mode's end, from the "random" or the "adversarial" start, the latter of R copies."""
        check_choice("start", start, STARTS)
        name = f"{self.net}-{mode}-from-random"
        if start == "adversarial":
            name = f"{self.net}-{mode}-from-R{replicas or self.setting.replicas}"
        return shared_training(self.context, name, partial(self._by_mode, name, mode, start, replicas))

    def model(self, name: Model) -> Fit:
        """One of `MODELS`."""
        check_choice("model", name, tuple(MODELS))
        return self.fitted(*MODELS[name])

    def both(self, mode: Mode) -> dict[Start, Fit]:
        """A mode from both starts; from the random one first, while another worker makes the adversarial one."""
        try_shared_training(self.context, *self._memorised(None))
        return {start: self.fitted(mode, start) for start in STARTS}

    def _memorised(self, replicas: int | None) -> tuple[str, Callable[[Path | None], Fit]]:
        replicas = replicas or self.setting.replicas
        name = f"{self.net}-random-labels-R{replicas}"

        def train(keep: Path | None) -> Fit:
            return adversarial_init(
                self.start,
                self.task,
                replicas=replicas,
                zero_out=self.setting.zero_out,
                blank=black(self.images),
                recipe=self.setting.memorising.recipe("vanilla"),
                seed=self.context.key("random labels", self.net),
                checkpoint=keep,
                device=self.context.device,
                callback=named(self.context, f"examples of {name}"),
            )

        return name, train

    def _by_mode(self, name: str, mode: Mode, start: Start, replicas: int | None, keep: Path | None) -> Fit:
        return fit(
            self.start if start == "random" else self.adversarial(replicas).net,
            self.task,
            recipe=self.setting.tuning.recipe(mode, border=black(self.images)),
            seed=self.context.key("training", self.net),
            evaluate_every=self.setting.evaluate_every,
            checkpoint=keep,
            device=self.context.device,
            callback=named(self.context, f"examples of {name}"),
        )

    def note(self) -> str:
        """What a footnote says of an adversarial start that does not know all of its random labels."""
        reached = self.adversarial().last.train_accuracy
        return "" if reached == 1 else f"the adversarial start fits {100 * reached:.1f} % of its random labels"
