"""Features are made once, and kept under all that decides them."""

import dataclasses
from pathlib import Path

import pytest
import torch
from few_digits import few_digits

from goodminima.train import Extractor, OptimizerConfig, Recipe, pretrained_features
from goodminima.train.few_shot import features

THIN = Extractor(
    width=1 / 32, recipe=Recipe(epochs=1, batch_size=64, optimizer=OptimizerConfig(name="Nesterov", lr=0.05))
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODMINIMA_CACHE", str(tmp_path))


def test_the_second_to_ask_gets_what_the_first_made(monkeypatch: pytest.MonkeyPatch) -> None:
    first = pretrained_features(few_digits(), THIN, seed=0)
    monkeypatch.setattr(features, "pretrain", None)  # whoever trained again would fail
    again = pretrained_features(few_digits(), THIN, seed=0)
    for name in features.Features.__slots__:
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert first.x.shape == (len(few_digits().test_y), 20)
    assert torch.equal(first.y, few_digits().test_y)


def test_features_are_the_trained_nets() -> None:
    trained = features.pretrain(
        lambda classes: THIN.net(classes, in_channels=1), few_digits(), recipe=THIN.recipe, seed=0
    )
    x = few_digits().standardised(few_digits().test_x[60:70])
    torch.testing.assert_close(pretrained_features(few_digits(), THIN, seed=0).x[60:70], trained.net.features(x))


def test_everything_that_decides_has_a_file_of_its_own(tmp_path: Path) -> None:
    images = few_digits()
    painted = images.train_x.clone()
    painted[0, 0, 0, 0] += 1
    ways = [
        (images, THIN, 0),
        (images, THIN, 1),
        (images, dataclasses.replace(THIN, drop_rate=0.1), 0),
        (images, dataclasses.replace(THIN, recipe=dataclasses.replace(THIN.recipe, weight_decay=1e-3)), 0),
        (dataclasses.replace(images, train_x=painted), THIN, 0),
    ]
    for data, extractor, seed in ways:
        pretrained_features(data, extractor, seed=seed)
    assert len(list(tmp_path.glob("*.safetensors"))) == len(ways)


def test_progress_is_told() -> None:
    heard: list[tuple[str, float, float]] = []
    pretrained_features(
        few_digits(),
        THIN,
        seed=0,
        callback=lambda progress: heard.append((progress.unit, progress.done, progress.total)),
    )
    assert heard[-1] == ("features", 100, 100)
    assert heard[0] == ("images trained on", 64, 320)
