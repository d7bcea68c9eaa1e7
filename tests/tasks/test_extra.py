"""Three parts of images that have nothing in common."""

import pytest
import torch
from torch import Tensor

from goodminima.tasks import DataError, load_images, with_extra


def distinct(*parts: Tensor) -> int:
    return len(torch.cat(parts).flatten(1).unique(dim=0))


def test_parts_are_disjoint_and_labelled_as_the_images_are() -> None:
    images = load_images("digits")
    all_train = images.standardised(images.train_x).flatten(1)
    task = with_extra(images, num_train=200, num_extra=1001, num_test=7, seed=3)
    assert task.extra is not None
    assert distinct(task.train.x, task.extra.x) == distinct(all_train)  # all of the 1,201, each once
    for x, y in zip(task.train.x[:20].flatten(1), task.train.y[:20], strict=True):
        assert y in images.train_y[(all_train == x).all(1)]
    assert (len(task.test), task.num_classes) == (7, 10)


def test_larger_numbers_add_images_and_seeds_choose_others() -> None:
    images = load_images("digits")
    few = with_extra(images, num_train=50, num_extra=20, num_test=10, seed=0)
    more = with_extra(images, num_train=50, num_extra=90, num_test=30, seed=0)
    other = with_extra(images, num_train=50, num_extra=20, num_test=10, seed=1)
    assert few.extra is not None
    assert more.extra is not None
    assert torch.equal(few.train.x, more.train.x)
    assert torch.equal(few.extra.x, more.extra.x[:20])
    assert torch.equal(few.test.x, more.test.x[:10])
    assert not torch.equal(few.train.x, other.train.x)


def test_what_is_refused() -> None:
    images = load_images("digits")
    with pytest.raises(DataError, match="'digits': train has 1,201 images, 1,202 were asked for"):
        with_extra(images, num_train=1000, num_extra=202, num_test=1, seed=0)
    with pytest.raises(DataError, match="'digits': test has 596 images, 700 were asked for"):
        with_extra(images, num_train=1, num_extra=1, num_test=700, seed=0)
    with pytest.raises(ValueError, match="at least one image of each kind is needed, got 1, 0 and 1"):
        with_extra(images, num_train=1, num_extra=0, num_test=1, seed=0)
