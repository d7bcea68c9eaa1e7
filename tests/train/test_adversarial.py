"""Algorithm 1 of Liu et al.: random labels, known by heart, and never a true one read."""

from dataclasses import replace

import pytest
import torch
from scipy import stats
from tiny_training import digits, tiny_net
from torch import nn

from goodminima.tasks import Examples, Task
from goodminima.train import OptimizerConfig, Recipe, adversarial_init
from goodminima.train.adversarial import random_labels

RECIPE = Recipe(epochs=60, batch_size=16, optimizer=OptimizerConfig(lr=0.1))


def colours(count: int = 30, classes: int = 7) -> Task:
    """Noise in colour, never zero, with labels that are all 0."""
    x = torch.rand(count, 3, 5, 4, generator=torch.Generator().manual_seed(0)) + 1
    examples = Examples(x, torch.zeros(count, dtype=torch.int64))
    return Task(train=examples, test=examples, num_classes=classes, name="noise", origin="noise")


def test_every_copy_has_the_same_number_of_values_zeroed_and_the_rest_as_it_was() -> None:
    task = colours()
    random = random_labels(task, replicas=4, zero_out=0.1, seed=1)
    copies = random.train.x.view(4, 30, 3, 5, 4)
    zeroed = copies == 0
    assert (zeroed.flatten(2).sum(2) == 6).all()
    assert torch.equal(torch.where(zeroed, 0, task.train.x.expand_as(copies)), copies)
    patterns = {tuple(each.flatten().nonzero().flatten().tolist()) for each in zeroed.flatten(0, 1)}
    assert len(patterns) == 120
    # Values, not pixels: all three channels of a zeroed pixel at once would be rare.
    assert (zeroed.all(2).sum() < zeroed.any(2).sum() / 20).item()


def test_every_value_is_zeroed_equally_often() -> None:
    """Chi-square over 60 places of 12,000 zeros; without replacement within a copy it is smaller than its law."""
    zeroed = random_labels(colours(), replicas=200, zero_out=1 / 30, seed=2).train.x == 0
    assert stats.chisquare(zeroed.flatten(1).sum(0).numpy()).pvalue > 1e-4


def test_labels_are_uniform_and_have_nothing_to_do_with_the_image() -> None:
    labels = random_labels(colours(), replicas=100, seed=3).train.y.view(100, 30)
    assert stats.chisquare(labels.flatten().bincount(minlength=7).numpy()).pvalue > 1e-4
    by_image = [[int((labels[:, image] == label).sum()) for label in range(7)] for image in range(30)]
    assert stats.chi2_contingency(by_image).pvalue > 1e-4  # pyright: ignore[reportAttributeAccessIssue] - scipy is not typed


def test_black_may_be_what_zero_means() -> None:
    random = random_labels(colours(), replicas=2, zero_out=0.5, blank=(-1.0, -2.0, -3.0), seed=0).train.x
    for channel, black in enumerate((-1.0, -2.0, -3.0)):
        values = random[:, channel]
        assert set(values[values < 0].tolist()) == {black}
    assert (random < 0).flatten(1).sum(1).unique().tolist() == [30]


def test_the_key_decides() -> None:
    one, again, other = (random_labels(colours(), replicas=2, seed=key).train for key in (1, 1, 2))
    assert torch.equal(one.x, again.x)
    assert torch.equal(one.y, again.y)
    assert not torch.equal(one.x, other.x)
    assert not torch.equal(one.y, other.y)


def test_it_knows_the_random_labels_by_heart_and_no_true_one() -> None:
    found = adversarial_init(tiny_net(), digits(), replicas=2, recipe=RECIPE, seed=5)
    random = random_labels(digits(), replicas=2, seed=5).train
    with torch.no_grad():
        assert torch.equal(found.net(random.x).argmax(1), random.y)
        right = (found.net(digits().test.x).argmax(1) == digits().test.y).sum().item()
    assert found.last.train_accuracy == 1.0
    assert found.last.number < 60
    # Binomial(200, 1/10): above 45 with probability 1e-7; classes that look alike make it wider.
    assert right < 50


def test_true_labels_are_never_read() -> None:
    few = replace(RECIPE, epochs=3)
    shuffled = Examples(digits().train.x, digits().train.y.flip(0))
    empty = Examples(digits().test.x[:1], torch.tensor([9]))
    found = adversarial_init(tiny_net(), digits(), replicas=2, recipe=few)
    blind = adversarial_init(tiny_net(), replace(digits(), train=shuffled, test=empty), replicas=2, recipe=few)
    assert found.history == blind.history
    assert found.last.test_accuracy is None
    for ours, theirs in zip(found.net.state_dict().values(), blind.net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_it_takes_any_inputs() -> None:
    x = torch.randn(20, 3)
    points = Examples(x, torch.zeros(20, dtype=torch.int64))
    task = Task(train=points, test=points, num_classes=2, name="points", origin="noise")
    random = random_labels(task, replicas=3, zero_out=1 / 3).train
    assert (random.x == 0).sum(1).tolist() == [1] * 60
    assert torch.equal(random_labels(task, replicas=1, zero_out=0).train.x, x)
    assert adversarial_init(nn.Linear(3, 2), task, replicas=3, recipe=replace(RECIPE, epochs=2)).last.number == 2


@pytest.mark.parametrize("options", [{"replicas": 0}, {"zero_out": 1.0}, {"zero_out": -0.1}])
def test_bad_options_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match=r"replicas must be at least 1 and zero_out in \[0, 1\)"):
        random_labels(colours(), **options)
