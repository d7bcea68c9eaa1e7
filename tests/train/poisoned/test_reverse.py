"""The poisoned loss is equation 3, and stays exact where 1 - p is lost to rounding."""

import math

import pytest
import torch
import torch.nn.functional as F

from goodminima.train import poisoned_loss, reverse_cross_entropy


def test_it_is_minus_log_of_the_rest() -> None:
    torch.manual_seed(0)
    logits, y = torch.randn(20, 5, dtype=torch.float64), torch.arange(20) % 5
    p = logits.softmax(1)[torch.arange(20), y]
    torch.testing.assert_close(reverse_cross_entropy(logits, y), -torch.log(1 - p))


def test_with_two_classes_it_is_the_cross_entropy_of_the_other_label() -> None:
    torch.manual_seed(0)
    logits, y = 30 * torch.randn(50, 2, dtype=torch.float64), torch.arange(50) % 2
    wanted = F.cross_entropy(logits, 1 - y, reduction="none")  # it rounds what is below 1e-16 to 0; ours does not
    torch.testing.assert_close(reverse_cross_entropy(logits, y), wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("gap", [-80.0, 0.0, 15.0, 50.0, 1e4])
def test_gradients_where_p_is_all_but_zero_or_one(gap: float) -> None:
    """Of three classes, two others at 0: z = gap - log 2, and dL/dlabel = 1 / (1 + exp(-z))."""
    logits = torch.tensor([[0.0, gap, 0.0]], requires_grad=True)
    loss = reverse_cross_entropy(logits, torch.tensor([1]))
    z = gap - math.log(2)
    assert loss.item() == pytest.approx(z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z)), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    slope = 1 / (1 + math.exp(-z))
    torch.testing.assert_close(gradient, torch.tensor([[-slope / 2, slope, -slope / 2]]), rtol=1e-4, atol=1e-40)


def test_the_two_terms() -> None:
    torch.manual_seed(0)
    (logits, y), (extra, extra_y) = ((torch.randn(n, 3), torch.arange(n) % 3) for n in (6, 9))
    right, wrong = F.cross_entropy(logits, y), reverse_cross_entropy(extra, extra_y).mean()
    for beta in (0.0, 0.1, 1.0):
        found = poisoned_loss(logits, y, extra_logits=extra, extra_y=extra_y, beta=beta)
        torch.testing.assert_close(found, (1 - beta) * right + beta * wrong)


def test_what_is_refused() -> None:
    logits, y = torch.zeros(1, 1), torch.zeros(1).long()
    with pytest.raises(ValueError, match="two classes or more are needed, got shape"):
        reverse_cross_entropy(logits, y)
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\], got 1.5"):
        poisoned_loss(logits, y, extra_logits=logits, extra_y=y, beta=1.5)
