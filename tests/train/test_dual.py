"""Linear models fitted in the dual are those of the explicit features: least norm, least penalised loss, 100 % train."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.nets import PixelProducts
from goodminima.tasks import Examples, few_shot, load_images
from goodminima.train.dual import fit_least_squares, fit_softmax
from goodminima.train.optimizers import LBFGSArmijo

FEATURES = PixelProducts(in_shape=(2, 4, 4), pool=2)  # 32 pixels, 8 pooled: 36 products


def examples(count: int) -> Examples:
    x = torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    return Examples(x, torch.arange(count) % 3)


def explicit(x: Tensor) -> Tensor:
    """The features, written out, and the bias."""
    small = x.unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean((3, 5)).flatten(1)
    products = [small[:, i] * small[:, j] for i in range(8) for j in range(i, 8)]
    return torch.cat([x.flatten(1), torch.stack(products, 1), torch.ones(len(x), 1, dtype=x.dtype)], 1)


def test_least_squares_has_the_least_norm_of_all_that_interpolate() -> None:
    train, unseen = examples(20), examples(9)
    fit = fit_least_squares(FEATURES.kernel, train, num_classes=3)
    weights = torch.linalg.pinv(explicit(train.x)) @ F.one_hot(train.y, 3).double()
    torch.testing.assert_close(fit.net(unseen.x), explicit(unseen.x) @ weights)
    assert fit.norm == pytest.approx(weights.norm().item())
    assert (fit.accuracy, fit.penalty, fit.iterations) == (1.0, 0.0, 0)


def test_softmax_is_the_solution_of_the_primal_problem() -> None:
    train, unseen, penalty = examples(20), examples(9), 1e-2
    features = explicit(train.x)
    strength = penalty * features.square().sum(1).mean()
    weights = nn.Parameter(torch.zeros(features.shape[1], 3, dtype=torch.float64))
    optimizer = LBFGSArmijo([weights], history_size=30, max_iter=300)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(features @ weights, train.y) + strength / 2 * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    fit = fit_softmax(FEATURES.kernel, train, num_classes=3, penalty=penalty, tolerance=1e-6)
    assert fit.converged
    assert fit.penalty == penalty
    torch.testing.assert_close(fit.net(unseen.x), explicit(unseen.x) @ weights, atol=2e-5, rtol=0)
    assert fit.norm == pytest.approx(weights.norm().item(), rel=2e-6)


def test_the_penalty_falls_until_all_are_right() -> None:
    heard = []
    train = examples(60)
    fit = fit_softmax(
        FEATURES.kernel,
        train,
        num_classes=3,
        penalty=1.0,
        callback=lambda progress: heard.append((progress.effort, progress.done)),
    )
    assert fit.accuracy == 1
    assert fit.penalty < 1e-1
    assert fit.converged
    assert (fit.net(train.x).argmax(1) == train.y).all()
    assert heard
    assert all(0 <= right <= 60 for _, right in heard)


@pytest.mark.parametrize("fit", [fit_softmax, fit_least_squares])
def test_digits_are_fitted_to_the_last_and_beyond_chance_on_the_rest(fit) -> None:
    task = few_shot(load_images("digits"), num_samples=300, num_classes=10, seed=0)
    found = fit(PixelProducts(in_shape=(1, 28, 28)).kernel, task.train, num_classes=10)
    assert found.accuracy == 1
    assert (found.net(task.train.x).argmax(1) == task.train.y).all()
    assert (found.net(task.test.x).argmax(1) == task.test.y).float().mean() > 0.8


def test_what_cannot_be_fitted_is_told() -> None:
    twice = Examples(examples(4).x.repeat(2, 1, 1, 1), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
    with pytest.raises(ValueError, match="linearly dependent, from example 4 on"):
        fit_least_squares(FEATURES.kernel, twice, num_classes=3)
    with pytest.raises(ValueError, match="penalty must be positive, got 0"):
        fit_softmax(FEATURES.kernel, examples(4), num_classes=3, penalty=0)
