"""The modes and hyper-parameters of Liu et al. 2020, and one step of each of their nets by them."""

import math
from dataclasses import replace

import pytest
import torch

from goodminima.experiments.liu2020.recipes import MODES, PAPER, PAPER_NETS, Mode, PaperNet, black
from goodminima.tasks import Examples, Task, load_images
from goodminima.train import fit


@pytest.mark.parametrize("data", PAPER)
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_has_the_heuristics_that_it_is_named_after(data: str, mode: Mode) -> None:
    recipe, decay = PAPER[data].recipe(mode), 1e-4 if data == "cinic10" else 5e-4
    assert (recipe.augment is not None) == ("DA" in mode or mode == "SOTA")
    assert recipe.weight_decay == (decay if "l2" in mode or mode == "SOTA" else 0.0)
    assert recipe.optimizer.options == ({"momentum": 0.9} if "momentum" in mode or mode == "SOTA" else {})
    assert (recipe.optimizer.name, recipe.batch_size) == ("SGD", 128)


@pytest.mark.parametrize(
    ("data", "epochs", "falls"), [("cifar10", 350, 250), ("cifar100", 350, 250), ("cinic10", 300, 225)]
)
def test_learning_rates_are_those_of_section_2(data: str, epochs: int, falls: int) -> None:
    recipe = PAPER[data].recipe("vanilla")
    assert recipe.epochs == epochs
    rates = [recipe.lr((epoch - 1) / epochs) for epoch in (1, 150, 151, falls, falls + 1, epochs)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(ValueError, match=r"mode 'DA\+L2': choose from vanilla, .* the nearest is 'DA\+l2'"):
        PAPER["cifar10"].recipe("DA+L2")  # pyright: ignore[reportArgumentType]


def test_black_is_what_a_zero_byte_becomes() -> None:
    images = load_images("digits")
    pixel = images.standardised(torch.zeros(1, 1, 1, 1, dtype=torch.uint8))
    assert black(images) == pytest.approx(pixel.flatten().tolist())


@pytest.mark.slow  # each is 1 to 8 s
@pytest.mark.parametrize("name", PAPER_NETS)
def test_one_step_by_the_papers_recipe(name: PaperNet) -> None:
    torch.manual_seed(0)
    examples = Examples(torch.randn(4, 3, 32, 32), torch.tensor([0, 3, 5, 9]))
    task = Task(train=examples, test=examples, num_classes=10, name="noise", origin="noise")
    start = PAPER_NETS[name](num_classes=10)
    full = PAPER["cifar10"].recipe("SOTA", border=(-2.0, -2.1, -2.2))
    recipe = replace(full, epochs=1, schedule=replace(full.schedule, at=(0.5,)))
    found = fit(start, task, recipe=recipe, seed=0)
    assert found.steps == 1
    assert math.isfinite(found.last.loss)
    moved = [not torch.equal(*pair) for pair in zip(found.net.parameters(), start.parameters(), strict=True)]
    assert all(moved)
