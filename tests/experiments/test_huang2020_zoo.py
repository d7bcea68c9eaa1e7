"""The zoo fits what it trains on, entries share their trainings, and recipes are those that the paper prints."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cells import cell_of

from goodminima.experiments.catalogue import find
from goodminima.experiments.experiment import Context, Outcome
from goodminima.experiments.huang2020 import fits
from goodminima.experiments.huang2020.fits import features_of, task_of
from goodminima.experiments.huang2020.zoo import PUBLISHED, ZOO, recipe_of, zoo_cell
from goodminima.nets import VGG13, PixelProducts, ThinResNet
from goodminima.population.parameters import num_parameters
from goodminima.tasks import Examples, Task
from goodminima.train import fit

NAMES = list(PUBLISHED)


def context(entry: str, **changes) -> Context:
    settings = find(entry).scales["smoke"].settings
    return replace(Context(experiment=entry, scale_settings=settings, replicate=0, seed=0, data="digits"), **changes)


def run(entry: str, cell: str, **changes) -> Outcome:
    experiment = find(entry)
    return experiment.run_cell(cell_of(experiment, cell), context(entry, **changes))


@pytest.mark.parametrize("cell", [cell.name for cell in find("huang2020/table1").cells])
def test_the_whole_zoo_fits_every_training_image(cell: str) -> None:
    outcome = run("huang2020/table1", cell, seed=1)
    assert outcome.values["train accuracy"] == 1
    assert outcome.values["test accuracy"] > 0.85  # chance is 0.25


def test_entries_load_each_others_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [run("huang2020/table1", cell, trainings=tmp_path) for cell in ("adam", "lbfgs", "linear")]
    pair = [run("huang2020/linear_vs_resnet", cell, trainings=tmp_path) for cell in ("linear", "resnet")]

    def untouched(*arguments: object, **options: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(fits, "fit_softmax", untouched)
    monkeypatch.setattr("goodminima.train.training.Training.epoch", untouched)
    right = [run("huang2020/figure2", f"right/{cell}", trainings=tmp_path) for cell in ("adam", "lbfgs", "linear")]
    left = [run("huang2020/figure2", f"left/{cell}", trainings=tmp_path) for cell in ("linear", "resnet")]
    assert [each.values for each in right] == [each.values for each in first]
    assert [each.values for each in left] == [each.values for each in pair]


def test_a_replicate_has_images_and_a_start_of_its_own() -> None:
    first, second = (run("huang2020/table1", "sgd", replicate=number).values for number in (0, 1))
    assert first != second
    again = run("huang2020/table1", "sgd").values
    assert again == first


def test_least_squares_gives_one_for_the_class_and_nothing_else() -> None:
    """Cross entropy of outputs (1, 0, ..., 0): log(e + 9) - 1 nats on the training images."""
    outcome = run("huang2020/linear_vs_resnet", "least-squares")
    assert outcome.values["train accuracy"] == 1
    expected = torch.log(torch.tensor(1.0).exp() + 9) - 1
    assert outcome.values["train loss"] == pytest.approx(expected.item(), abs=1e-4)


def test_sizes_are_those_of_the_paper() -> None:
    images = Examples(torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64))
    task = Task(train=images, test=images, num_classes=10, name="n", origin="o")
    features = features_of(task)
    assert isinstance(features, PixelProducts)
    assert features.num_features + 1 == 298_369
    assert num_parameters(ThinResNet()) == 269_722


@pytest.mark.parametrize("name", NAMES)
def test_published_recipes_take_a_step(name: str) -> None:
    """Two images, a VGG13 of the least width: the optimizers exist, take their options, and move."""
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images = Examples(x, torch.tensor([0, 1]))
    task = Task(train=images, test=images, num_classes=2, name="n", origin="o")
    recipe = recipe_of(zoo_cell(name).settings, ZOO["paper"])
    torch.manual_seed(0)
    start = VGG13(width=1 / 16, num_classes=2)
    found = fit(start, task, recipe=replace(recipe, epochs=1, schedule=PUBLISHED["LBFGS"].schedule), seed=0)
    assert any(not torch.equal(a, b) for a, b in zip(found.net.parameters(), start.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("Adadelta", (5, 0.5, 0.05)),
        ("Adagrad", (2.5e-2, 2.5e-3, 2.5e-4)),
        ("Adam", (0.01, 0.001)),
        ("Adamax", (5e-4, 5e-5, 5e-6)),
        ("Amsgrad", (5e-4, 5e-5)),
        ("ASGD", (0.1, 0.01, 0.001)),
        ("ProxProp", (0.001, 0.0001)),
        ("RMSprop", (5e-4, 5e-5, 5e-6)),
        ("SGD", (0.05, 0.005)),
        ("SGD Momentum", (0.01, 0.001)),
        ("SGD Nesterov", (0.01, 0.001, 0.0001)),
    ],
)
def test_published_learning_rates_are_the_printed_ones(name: str, rates: tuple[float, ...]) -> None:
    """Each for fifty epochs; SGD's third, printed 0.005 again, falls like all others."""
    recipe = PUBLISHED[name]
    for phase, rate in enumerate(rates):
        for epoch in (50 * phase, 50 * phase + 49):
            assert recipe.lr(epoch / recipe.epochs) == pytest.approx(rate)


def test_the_replicates_images_are_shared_by_all_models() -> None:
    first, second = (task_of(context("huang2020/table1"), 120, 4) for _ in range(2))
    assert torch.equal(first.train.x, second.train.x)
    assert first.train.y.bincount().tolist() == [30] * 4
