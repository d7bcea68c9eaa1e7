"""The loss of many parameter vectors is that of one module at a time."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.nets import ThinResNet
from goodminima.population import net_loss
from goodminima.population.net_loss import loss_of
from goodminima.tasks.task import Examples


@pytest.fixture
def batch() -> Examples:
    torch.manual_seed(1)
    return Examples(torch.randn(11, 2, 6, 6), torch.arange(11) % 3)


def batch_norm_net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.LeakyReLU(0.1, inplace=True), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(64, 3),
    )  # fmt: skip
    net.get_buffer("1.running_mean").normal_()
    net.get_buffer("1.running_var").uniform_(0.5, 2)
    return net


def members(net: nn.Module, number: int) -> Tensor:
    torch.manual_seed(2)
    theta = nn.utils.parameters_to_vector(net.parameters()).detach()
    return theta + 0.3 * torch.randn(number, len(theta))


def one_at_a_time(net: nn.Module, batch: Examples, theta: Tensor, mode: str) -> Tensor:
    """One module at a time; statistics are re-estimated by a pass in training mode, in which momentum 1 forgets the old ones."""
    losses = []
    for vector in theta:
        member = copy.deepcopy(net).eval()
        nn.utils.vector_to_parameters(vector, member.parameters())
        if mode != "eval":
            layers = [module for module in member.modules() if isinstance(module, nn.BatchNorm2d)]
            for module in layers:
                module.train().momentum = 1.0
        if mode == "re-estimated":
            member(batch.x)
            member.eval()
        losses.append(F.cross_entropy(member(batch.x), batch.y).detach())
    return torch.stack(losses)


@pytest.mark.parametrize("mode", net_loss.MODES)
@pytest.mark.parametrize("numbers", [16_000_000, 600])
def test_batch_norm_in_every_mode(batch: Examples, mode: str, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_loss, "_CHUNK_NUMBERS", numbers)  # the smaller one takes members and examples in parts
    net = batch_norm_net().train()
    theta, before = members(net, 7), copy.deepcopy(net.state_dict())
    found = loss_of(net, batch, batch_norm=mode)(theta)
    torch.testing.assert_close(found, one_at_a_time(net, batch, theta, mode), rtol=1e-5, atol=1e-6)
    assert net.training
    assert net[1].momentum == 0.1
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("mode", net_loss.MODES)
def test_a_residual_net_whose_shortcuts_are_slices(mode: str) -> None:
    torch.manual_seed(0)
    net, batch = ThinResNet(blocks=1, width=2, num_classes=3), Examples(torch.randn(8, 3, 8, 8), torch.arange(8) % 3)
    net.train()(batch.x)
    theta = members(net, 5)
    found = loss_of(net, batch, batch_norm=mode)(theta)
    torch.testing.assert_close(found, one_at_a_time(net, batch, theta, mode), rtol=1e-5, atol=1e-6)


def test_the_modes_differ(batch: Examples) -> None:
    net = batch_norm_net()
    theta = members(net, 2)
    losses = [loss_of(net, batch, batch_norm=mode)(theta) for mode in ("eval", "train")]
    assert not torch.allclose(*losses, rtol=1e-2)


def test_plain_stacks(batch: Examples) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.ReLU(), nn.Linear(5, 3))
    theta = members(net, 20)
    found = loss_of(net, batch, batch_norm="eval")(theta)
    torch.testing.assert_close(found, one_at_a_time(net, batch, theta, "eval"), rtol=1e-5, atol=1e-6)


def test_an_unknown_mode_is_refused(batch: Examples) -> None:
    with pytest.raises(
        ValueError, match=r"batch_norm 'trian': choose from eval, train, re-estimated; the nearest is 'train'"
    ):
        loss_of(batch_norm_net(), batch, batch_norm="trian")


class Shared(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(72, 72), nn.Linear(72, 72)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x.flatten(1))))[:, :3]


def test_tied_weights_move_together(batch: Examples) -> None:
    torch.manual_seed(0)
    net = Shared()
    theta = members(net, 4)
    found = loss_of(net, batch, batch_norm="eval")(theta)
    torch.testing.assert_close(found, one_at_a_time(net, batch, theta, "eval"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("plain", [True, False])
def test_another_criterion(batch: Examples, plain: bool) -> None:
    def wrong(logits: Tensor, y: Tensor) -> Tensor:
        return (logits.argmax(1) != y).float()

    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 3)) if plain else batch_norm_net()
    theta = members(net, 5)
    found = loss_of(net, batch, batch_norm="eval", criterion=wrong)(theta)
    for vector, share in zip(theta, found, strict=True):
        member = copy.deepcopy(net).eval()
        nn.utils.vector_to_parameters(vector, member.parameters())
        assert float(share) == pytest.approx(float((member(batch.x).argmax(1) != batch.y).float().mean()))
