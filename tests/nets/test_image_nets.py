"""The nets for 32x32 images have the sizes that their authors report, and answer on images."""

from collections.abc import Callable

import pytest
import torch
from counting import parameter_count
from torch import nn

from goodminima.nets import VGG13, VGG16, DenseNet40, ResNet18, ResNet50, SmallConv, ThinResNet

BIG = [
    (VGG13, 9_416_010, 512),
    (VGG16, 14_728_266, 512),
    (ResNet18, 11_173_962, 512),
    (ResNet50, 23_520_842, 2048),
    (DenseNet40, 176_122, 132),
    (ThinResNet, 269_722, 64),
]


def _on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return make()


@pytest.mark.parametrize(("make", "size", "features"), BIG)
def test_size_is_the_published_one_and_the_rest_follows_from_classes_and_channels(
    make: type[nn.Module], size: int, features: int
) -> None:
    net = _on_meta(make)
    assert parameter_count(net) == size
    first = next(net.parameters())  # (outputs, channels, 3, 3)
    other = _on_meta(lambda: make(in_channels=1, num_classes=7))
    assert parameter_count(other) == size - 3 * (features + 1) - 2 * 9 * len(first)
    assert other(torch.zeros(2, 1, 32, 32, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("make", [make for make, _, _ in BIG])
def test_images_of_other_sizes_are_averaged(make: type[nn.Module]) -> None:
    assert _on_meta(make)(torch.zeros(2, 3, 28, 28, device="meta")).shape == (2, 10)
    assert _on_meta(make)(torch.zeros(2, 3, 64, 96, device="meta")).shape == (2, 10)


@pytest.mark.parametrize(
    ("make", "layers"), [(VGG13, 11), (VGG16, 14), (ResNet18, 18), (ResNet50, 50), (DenseNet40, 40), (ThinResNet, 20)]
)
def test_name_counts_the_layers_with_weights(make: type[nn.Module], layers: int) -> None:
    """Projections on shortcuts are not counted; the VGGs have two of their three linear layers less."""
    named = _on_meta(make).named_modules()
    weighted = [name for name, module in named if isinstance(module, nn.Conv2d | nn.Linear)]
    assert sum("shortcut" not in name for name in weighted) == layers


@pytest.mark.parametrize(
    ("in_shape", "num_classes", "size"), [((3, 32, 32), 4, 137_028), ((1, 28, 28), 10, 137_028 - 2 * 16 * 9 + 6 * 513)]
)
def test_small_conv_is_as_stated(in_shape: tuple[int, int, int], num_classes: int, size: int) -> None:
    net = SmallConv(in_shape=in_shape, num_classes=num_classes)
    assert parameter_count(net) == size
    assert net(torch.zeros(2, *in_shape)).shape == (2, num_classes)


def test_a_dense_layer_keeps_what_it_read_in_front() -> None:
    net = DenseNet40(growth=1).eval()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    first = net[0](x)
    torch.testing.assert_close(net[1](first)[:, :2], first)
    assert net[1](first).shape == (2, 3, 8, 8)


def test_a_block_of_a_residual_net_adds_its_input() -> None:
    block = ResNet18()[3].eval()
    last = [*block.get_submodule("path").children()][
        -1
    ]  # the BatchNorm at the end of the path: without its scale the path is nothing
    nn.init.zeros_(last.get_parameter("weight"))
    x = torch.randn(1, 64, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x), x.clamp_min(0))


def test_where_a_thin_block_halves_the_image_its_input_is_thinned_and_filled_with_zeros() -> None:
    block = ThinResNet()[6].eval()
    nn.init.zeros_([*block.get_submodule("path").children()][-1].get_parameter("weight"))
    x = torch.randn(2, 16, 6, 8, generator=torch.Generator().manual_seed(0))
    wanted = torch.zeros(2, 32, 3, 4)
    wanted[:, :16] = x[:, :, ::2, ::2].clamp_min(0)
    torch.testing.assert_close(block(x), wanted)


def test_a_thin_net_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks and width must be at least 1, got 0 and 16"):
        ThinResNet(blocks=0)


def test_growth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="growth must be at least 1, got 0"):
        DenseNet40(growth=0)


def test_a_thin_vgg_has_a_share_of_the_channels() -> None:
    """Without biases and BatchNorm, weights between thin layers are width^2 of those between wide ones."""
    wide, thin = (
        [p.numel() for p in _on_meta(lambda w=w: VGG13(width=w)).parameters() if p.ndim == 4] for w in (1, 0.25)
    )
    assert [few * 16 for few in thin[1:]] == wide[1:]
    assert thin[0] * 4 == wide[0]


def test_channels_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"width 0\.01 leaves a layer without channels"):
        VGG13(width=0.01)
