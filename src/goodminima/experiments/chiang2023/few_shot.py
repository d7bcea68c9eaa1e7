"""One replicate of Table 5: a head per episode by one optimizer, on features that all of them share.

Episodes, their questions and the heads' starts are the same for every optimizer, so that two of them can be compared
episode by episode, with far less noise than their own errors say.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Cell, Context, Outcome
from goodminima.experiments.settings import Count, Positive, Probability, Settings
from goodminima.nets import LinearModel
from goodminima.population import AbstractPrior, Cube, TorchDefault
from goodminima.search import PatternRule, Until, pattern_search
from goodminima.tasks import Episodes, Examples, ImageData, base_and_novel, draw_episodes, load_images
from goodminima.tasks.class_split import images_per_class
from goodminima.train import (
    Cosine,
    CropFlip,
    Extractor,
    OptimizerConfig,
    Recipe,
    SGDConfig,
    pretrained_features,
    query_accuracy,
    ridge_heads,
    sgd_heads,
    svm_heads,
)

ACCURACY, INTERVAL = "accuracy", "its 95 % ±"
GAIN, GAIN_INTERVAL = "gain over SGD", "the gain's 95 % ±"
LABELS = ("shots", "optimizer", "start")
Start = Literal["PyTorch", "cube", "–"]
NOWHERE: Start = "–"  # what is solved outright starts nowhere; the SGD that it is compared with starts as PyTorch does
STARTS: Mapping[Start, AbstractPrior] = {"PyTorch": TorchDefault(), "cube": Cube(1.0), NOWHERE: TorchDefault()}
Optimizer = Literal["SGD", "Pattern Search", "ridge", "SVM"]

_SGD = SGDConfig(lr=0.01, momentum=0.9, epochs=100, batch_size=25)  # every batch is the whole episode
_RIDGE_PENALTY = 50.0  # as in the code of Lee et al. 2019
_SVM_COST = 0.1  # likewise
_MOST_CANDIDATES = 2_000_000  # a head; few need a tenth


@final
@dataclass(frozen=True, kw_only=True)
class FewShotCell(Settings):
    """What a row sets.

    Args:
        shots: Labelled images of each class of an episode.
        optimizer: What trains or solves the heads.
        start: Where they start.
    """

    shots: Count
    optimizer: Optimizer
    start: Start


@final
@dataclass(frozen=True, kw_only=True)
class FeatureTraining(Settings):
    """How a ResNet-12 is trained, whose features all heads share.

    Args:
        batch_size: Images a step.
        lr: Learning rate at the beginning.
        flip: Whether half of the images are mirrored.
    """

    batch_size: Count
    lr: Positive
    flip: bool = True


@final
@dataclass(frozen=True, kw_only=True)
class FewShotScale(Settings):
    """What a scale sets.

    Args:
        width: Of the ResNet-12, in units of the usual one.
        drop_rate: Of its DropBlock.
        drop_size: Side of the blocks, in pixels of a feature map.
        images: The most images that its training sees, one epoch at least.
        epochs: The most epochs.
        recipe: Of its training.
        episodes: How many heads each optimizer makes.
        steps: Of Pattern Search, for a head.
    """

    width: Positive
    drop_rate: Probability
    drop_size: Count
    images: Count
    epochs: Count
    recipe: FeatureTraining
    episodes: Count
    steps: Count


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """What the heads of all episodes learn from, and where they start."""

    x: Float[Tensor, "E S F"]
    episodes: Episodes
    start: Float[Tensor, "E D"]


class _Heads(NamedTuple):
    theta: Float[Tensor, "E D"]
    counts: Mapping[str, int] = {}
    note: str = ""


def run_few_shot(cell: Cell[FewShotCell], context: Context[FewShotScale]) -> Outcome:
    """Accuracy of one optimizer's heads over all episodes, and their gain over SGD from the same starts."""
    assert context.data is not None
    images = base_and_novel(load_images(context.data), context.data)
    features = _features(images, context)
    count, shots = context.scale_settings.episodes, cell.settings.shots
    episodes = draw_episodes(images.test_y, num_episodes=count, shots=shots, seed=context.key("episodes"))
    lesson = _Lesson(features[episodes.support], episodes, _starts(cell, context, episodes, features.shape[1]))
    sgd = query_accuracy(_sgd(lesson, context).theta, features, episodes=episodes)
    if cell.settings.optimizer == "SGD":
        values, errors = _mean(sgd, ACCURACY, INTERVAL)
        return Outcome(values=values, errors=errors, arrays={"sgd": sgd.numpy()}, note=_about(images))
    heads = _OPTIMIZERS[cell.settings.optimizer](lesson, context)
    accuracy = query_accuracy(heads.theta, features, episodes=episodes)
    values, errors = _mean(accuracy, ACCURACY, INTERVAL)
    gain_values, gain_errors = _mean(accuracy - sgd, GAIN, GAIN_INTERVAL)
    return Outcome(
        values=values | gain_values,
        errors=errors | gain_errors,
        counts=heads.counts,
        arrays={"accuracy": accuracy.numpy(), "sgd": sgd.numpy()},
        note=heads.note,
    )


def _features(images: ImageData, context: Context[FewShotScale]) -> Float[Tensor, "M F"]:
    """The same for all cells and replicates."""
    scale = context.scale_settings
    epochs = min(scale.epochs, max(1, round(scale.images / len(images.train_y))))
    extractor = Extractor(
        width=scale.width,
        drop_rate=scale.drop_rate,
        drop_size=scale.drop_size,
        recipe=_recipe(epochs, scale.recipe),
    )

    seed = replace(context, replicate=0).key("features")
    return pretrained_features(images, extractor, seed=seed, device=context.device, callback=context.callback).x


def _recipe(epochs: int, training: FeatureTraining) -> Recipe:
    """Of the features: Nesterov momentum along a cosine, with weight decay, crops and mirror images."""
    return Recipe(
        epochs=epochs,
        batch_size=training.batch_size,
        optimizer=OptimizerConfig(
            name="Nesterov", lr=training.lr, options={"fused": False}
        ),  # rounds otherwise; as the docs' numbers are
        schedule=Cosine(),
        weight_decay=5e-4,
        augment=CropFlip(pad=4, flip=training.flip),
    )


def _starts(cell: Cell[FewShotCell], context: Context, episodes: Episodes, num_features: int) -> Float[Tensor, "E D"]:
    net = LinearModel(in_features=num_features, num_classes=episodes.ways)
    indices = np.arange(len(episodes), dtype=np.uint64)
    return STARTS[cell.settings.start].draw(net, seed=context.key("start"), indices=indices)


def _mean(values: Float[Tensor, "E"], name: str, interval: str) -> tuple[dict[str, float | None], dict[str, float]]:
    """A mean over episodes and half the width of its 95 % interval, under their names; and the mean's standard error."""
    error = float(values.std()) / math.sqrt(len(values))
    return {name: float(values.mean()), interval: float(stats.t.ppf(0.975, len(values) - 1)) * error}, {name: error}


def _about(images: ImageData) -> str:
    return f"base {images_per_class(images.train_y)}, novel {images_per_class(images.test_y)}"


def _sgd(lesson: _Lesson, context: Context[FewShotScale]) -> _Heads:
    return _Heads(sgd_heads(lesson.x, lesson.episodes.support_y, start=lesson.start, sgd=_SGD, seed=context.key("sgd")))


def _pattern_search(lesson: _Lesson, context: Context[FewShotScale]) -> _Heads:
    net = LinearModel(in_features=lesson.x.shape[2], num_classes=lesson.episodes.ways)
    until = Until(fitted=False, steps=context.scale_settings.steps, candidates=_MOST_CANDIDATES)
    found, candidates = [], 0
    for member, (x, start) in enumerate(zip(lesson.x, lesson.start, strict=True)):
        examples = Examples(x, lesson.episodes.support_y)
        seed = context.key("pattern search")
        found.append(
            pattern_search(net, examples, start=start, rule=PatternRule(), until=until, seed=seed, member=member)
        )
        candidates += found[-1].candidates
        done = {"done": member + 1, "total": len(lesson.x), "unit": "episodes"}
        context.callback(Progress(**done, effort=candidates, effort_unit="candidates"))
    short = sum(head.steps < context.scale_settings.steps for head in found)
    return _Heads(
        torch.stack([head.theta for head in found]),
        counts={"candidates": candidates, "steps": sum(head.steps for head in found)},
        note=f"{short} of {len(found)} heads could not be improved further before {until.steps} steps" if short else "",
    )


def _ridge(lesson: _Lesson, context: Context[FewShotScale]) -> _Heads:
    return _Heads(ridge_heads(lesson.x, lesson.episodes.support_y, penalty=_RIDGE_PENALTY))


def _svm(lesson: _Lesson, context: Context[FewShotScale]) -> _Heads:
    return _Heads(
        svm_heads(
            lesson.x, lesson.episodes.support_y, cost=_SVM_COST, seed=context.key("svm"), callback=context.callback
        )
    )


_OPTIMIZERS: Mapping[Optimizer, Callable[[_Lesson, Context[FewShotScale]], _Heads]] = {
    "Pattern Search": _pattern_search,
    "ridge": _ridge,
    "SVM": _svm,
}
