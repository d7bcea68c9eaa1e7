"""ResNet-12 has the size its authors state; DropBlock takes out squares, and about as much as it is told to."""

import math

import pytest
import torch
from counting import parameter_count

from goodminima.nets import ResNet12
from goodminima.nets.resnet12 import DropBlock


def _expected(widths: tuple[int, ...], channels: int) -> int:
    """Three 3x3 convolutions and a 1x1 one a block, none with a bias, a BatchNorm of two numbers a channel behind each."""
    inputs = (channels, *widths[:-1])
    return sum(9 * a * b + 9 * b * b + 9 * b * b + a * b + 4 * 2 * b for a, b in zip(inputs, widths, strict=True))


@pytest.mark.parametrize(
    ("width", "channels", "widths"),
    [(1.0, 3, (64, 160, 320, 640)), (0.25, 3, (16, 40, 80, 160)), (0.5, 1, (32, 80, 160, 320))],
)
def test_parameters_are_those_of_the_blocks_and_the_classifier(
    width: float, channels: int, widths: tuple[int, ...]
) -> None:
    net = ResNet12(width=width, in_channels=channels, num_classes=7)
    assert parameter_count(net) == _expected(widths, channels) + 7 * (widths[-1] + 1)


def test_the_full_net_has_twelve_and_a_half_million() -> None:
    assert (
        parameter_count(ResNet12(num_classes=64)) - parameter_count(ResNet12(num_classes=64).classifier) == 12_424_320
    )


@pytest.mark.parametrize("side", [16, 28, 32, 84])
def test_features_are_one_row_an_image_whatever_its_size(side: int) -> None:
    net = ResNet12(width=1 / 16, in_channels=1, num_classes=3).eval()
    x = torch.randn(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    assert net.features(x).shape == (2, net.num_features) == (2, 40)
    torch.testing.assert_close(net(x), net.classifier(net.features(x)))


def test_features_do_not_change_with_company_in_eval_mode() -> None:
    net = ResNet12(width=1 / 16, drop_rate=0.5).eval()
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net.features(x)[:1], net.features(x[:1]))


def test_drop_block_takes_out_whole_squares() -> None:
    drop = DropBlock(rate=0.05, size=3).train()
    drop.draw_from(0)
    kept = drop(torch.ones(1, 1, 30, 30))[0, 0] > 0
    gone = (~kept).nonzero().tolist()
    assert gone
    for row, column in gone:
        corners = [(row - i, column - j) for i in range(3) for j in range(3)]
        assert any(
            0 <= top <= 27 and 0 <= left <= 27 and not kept[top : top + 3, left : left + 3].any()
            for top, left in corners
        )


def test_drop_block_keeps_the_mean_and_drops_about_its_rate() -> None:
    drop = DropBlock(rate=0.1, size=2).train()
    drop.draw_from(1)
    found = drop(torch.ones(200, 10, 8, 8))
    torch.testing.assert_close(found.mean(), torch.tensor(1.0))
    share = float((found == 0).double().mean())
    # Squares overlap, so a little less than the rate; 98,000 corners of chance 0.033: 6 standard deviations are 0.01.
    assert 0.085 < share < 0.1


@pytest.mark.parametrize("module", [DropBlock(rate=0.0, size=3).train(), DropBlock(rate=0.5, size=3).eval()])
def test_drop_block_is_nothing_without_a_rate_or_without_training(module: DropBlock) -> None:
    x = torch.randn(2, 3, 8, 8)
    assert module(x) is x


def test_a_map_smaller_than_the_square_is_dropped_as_a_whole() -> None:
    drop = DropBlock(rate=0.5, size=5).train()
    drop.draw_from(2)
    found = drop(torch.ones(50, 4, 2, 2)).flatten(2)
    dropped = (found == 0).sum(2)
    assert set(dropped.unique().tolist()) == {0, 4}
    # 200 maps of chance 1/2: 5 standard deviations are 35.
    assert math.isclose(float((dropped == 4).sum()), 100, abs_tol=35)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResNet12(width=0.01), "width 0.01 leaves a block without channels"),
        (lambda: ResNet12(drop_rate=1.0), r"rate must lie in \[0, 1\) and size be at least 1, got 1.0 and 5"),
        (lambda: DropBlock(rate=0.1, size=0), "got 0.1 and 0"),
    ],
)
def test_what_cannot_be_built_is_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
