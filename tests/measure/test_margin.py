"""Margins and their distribution, by hand and by numpy."""

import numpy as np
import pytest
import torch
from tiny_nets import Dense, lived
from torch import nn

from goodminima.measure import Margins, logit_margins
from goodminima.tasks import Examples


def test_margins_are_label_minus_best_other_in_eval_mode_and_the_net_is_left_as_it_is() -> None:
    net = lived(Dense())
    generator = torch.Generator().manual_seed(0)
    batch = Examples(torch.randn(250, 2, 2, 2, generator=generator), torch.arange(250) % 2)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    found = logit_margins(net, batch)
    assert net.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    logits = net.eval()(batch.x).detach()
    expected = [float(row[label] - row[1 - label]) for row, label in zip(logits, batch.y, strict=True)]
    torch.testing.assert_close(found.values, torch.tensor(expected))
    assert found.accuracy == float((logits.argmax(1) == batch.y).double().mean())


def test_distribution_agrees_with_numpy() -> None:
    values = torch.randn(101, generator=torch.Generator().manual_seed(0))
    found, numbers = Margins(values), values.double().numpy()
    assert found.minimum == numbers.min()
    assert found.median == np.median(numbers)
    for share in (0.0, 0.05, 0.333, 1.0):
        assert found.quantile(share) == pytest.approx(np.quantile(numbers, share), rel=1e-12)
    assert found.share_below(0.5) == (numbers < 0.5).mean()
    assert Margins(values[:1]).quantile(0.7) == float(values[0])


def test_a_tie_is_wrong_and_not_below_zero() -> None:
    found = logit_margins(nn.Identity(), Examples(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([0])))
    assert (found.minimum, found.accuracy, found.share_below(0.0)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: Margins(torch.zeros(0)), "values must be one number an example"),
        (lambda: Margins(torch.zeros(3)).quantile(1.5), r"share must lie in \[0, 1\], got 1.5"),
        (
            lambda: logit_margins(nn.Identity(), Examples(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))),
            "the batch is empty",
        ),
    ],
)
def test_what_cannot_be_measured_is_named(measure, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure()
