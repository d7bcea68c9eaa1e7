"""Episodes: disjoint, labelled alike, a function of seed and number."""

import pytest
import torch

from goodminima.tasks import DataError, draw_episodes

LABELS = torch.arange(12).repeat(30)[torch.randperm(360, generator=torch.Generator().manual_seed(0))] + 40


@pytest.mark.parametrize("shots", [1, 5])
def test_examples_are_of_the_classes_their_labels_say_and_none_is_used_twice(shots: int) -> None:
    episodes = draw_episodes(LABELS, num_episodes=50, shots=shots, seed=3)
    assert (len(episodes), episodes.ways) == (50, 5)
    for classes, support, query in zip(episodes.classes, episodes.support, episodes.query, strict=True):
        assert len(classes.unique()) == 5
        assert torch.equal(LABELS[support], classes[episodes.support_y])
        assert torch.equal(LABELS[query], classes[episodes.query_y])
        assert len(torch.cat([support, query]).unique()) == 5 * (shots + 15)
    assert episodes.support_y.bincount().tolist() == [shots] * 5
    assert episodes.query_y.bincount().tolist() == [15] * 5


def test_an_episode_is_a_function_of_seed_and_number() -> None:
    few, many, other = (
        draw_episodes(LABELS, num_episodes=count, seed=seed) for count, seed in ((7, 3), (20, 3), (20, 4))
    )
    assert torch.equal(few.support, many.support[:7])
    assert torch.equal(few.query, many.query[:7])
    assert not torch.equal(many.query, other.query)
    assert len(many.query.unique(dim=0)) == 20


def test_more_shots_ask_the_same_questions_and_only_add_examples() -> None:
    one, five = (draw_episodes(LABELS, num_episodes=9, shots=shots, seed=0) for shots in (1, 5))
    assert torch.equal(one.query, five.query)
    assert torch.equal(one.support, five.support[:, :5])


def test_every_class_and_image_is_drawn_equally_often() -> None:
    episodes = draw_episodes(LABELS, num_episodes=2400, queries=1, seed=0)
    # 1000 of 2400 episodes are expected to have a class: binomial, 5 standard deviations are 121.
    assert ((episodes.classes - 40).flatten().bincount() - 1000).abs().max() < 121
    # Of 24,000 places 67 are expected for each of 360 images: 5 standard deviations are 41.
    used = torch.cat([episodes.support, episodes.query], dim=1).flatten().bincount(minlength=360)
    assert (used - 24_000 / 360).abs().max() < 41


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": 13}, r"episodes of 13 classes with 1 \+ 15 images each cannot be cut from 12 classes"),
        ({"shots": 16}, "of which one has 30 images: lower ways, shots or queries"),
    ],
)
def test_what_the_images_do_not_give(options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_episodes(LABELS, num_episodes=2, seed=0, **options)


@pytest.mark.parametrize("options", [{"num_episodes": 0}, {"ways": 1}, {"shots": 0}, {"queries": 0}])
def test_numbers_that_are_too_small(options: dict) -> None:
    with pytest.raises(ValueError, match="must be at least 1 and ways at least 2, got"):
        draw_episodes(LABELS, **({"num_episodes": 2, "seed": 0} | options))
