"""Accuracy on images that are moved against the net, as far as the fast gradient sign method moves them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.isolation import isolated_rng
from goodminima.core.progress import Callback, Progress
from goodminima.measure.margin import chunks, margins_of
from goodminima.population.private_copies import private_copy
from goodminima.tasks.task import Examples, Task, train_examples

_OUTSIDE = 1e-3  # by which pixels may leave their range before the standardisation given is held to be another's
Statistic = float | Sequence[float] | Float[Tensor, "C"]


@isolated_rng()
def fgsm_accuracy(
    net: nn.Module,
    data: Task | Examples,
    *,
    epsilons: Sequence[float],
    mean: Statistic = 0.0,
    std: Statistic = 1.0,
    pixels: tuple[float, float] | None = (0.0, 1.0),
    callback: Callback | None = None,
) -> Float[Tensor, "E"]:
    """Accuracy on x + epsilon sign(grad_x CE(net, x, y)), for each epsilon, in pixels as they were before standardisation.

    An example (pixel - mean) / std is moved by epsilon / std in the direction of the sign, and cut off where a pixel would
    leave its range. The gradient is that of u = log sum_{j != y} exp(z_j) - z_y, of which the cross entropy log(1 + e^u) is
    an increasing function: of the same sign, and not zero by rounding where the net is very sure. Eval mode; a tie
    counts as wrong.

    Args:
        net: Any classifier of two classes or more. It is copied and left as it is.
        data: Standardised images (N, C, ...) with their true labels, on the device of the net; of a task, its `train`.
        epsilons: How far each pixel moves, in units of the pixels: 1/255 is one step of an 8-bit image in [0, 1].
        mean: What was subtracted: one number, or one a channel, as `ImageData.statistics` has them.
        std: What it was divided by.
        pixels: Range of the pixels; None for data without one.
        callback: Called with a `Progress` in examples.

    Returns:
        Fractions, one an epsilon, float64.

    Raises:
        ValueError: If an epsilon is negative, a standard deviation not positive, or the batch, back in pixels, leaves the
            range: then it was standardised otherwise.

    Cost: one forward and backward pass of the batch, and a forward pass for each epsilon.

    Reference: Goodfellow, Shlens, Szegedy 2015, section 4; Liu, Papailiopoulos, Achlioptas 2020, section 3.7.

    >>> net = nn.Linear(1, 2, bias=False)
    >>> net.weight.data = torch.tensor([[1.0], [-1.0]])  # says 0 where x > 0
    >>> batch = Examples(torch.tensor([[0.1], [0.3]]), torch.tensor([0, 0]))
    >>> fgsm_accuracy(net, batch, epsilons=[0, 0.2, 0.4], pixels=None)
    tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    if not epsilons or min(epsilons) < 0:
        raise ValueError(f"fgsm_accuracy: epsilons must be at least one number, none below 0, got {list(epsilons)}")
    batch = train_examples(data)
    shift, scale = (_per_channel(statistic, batch.x) for statistic in (mean, std))
    if not (scale > 0).all():
        raise ValueError(f"fgsm_accuracy: std must be positive, got {std}; of a channel that was only centred it is 1")
    limits = None
    if pixels is not None:
        _check_range(batch.x * scale + shift, pixels)
        limits = [(limit - shift) / scale for limit in pixels]
    still = private_copy(net).eval().requires_grad_(False)
    right = torch.zeros(len(epsilons), dtype=torch.float64, device=batch.x.device)
    done = 0
    for x, y in chunks(batch):
        direction = _ascent(still, x, y) / scale
        with torch.no_grad():
            for number, epsilon in enumerate(epsilons):
                moved = _cut(x + epsilon * direction, x, limits)
                right[number] += (margins_of(still, moved, y) > 0).sum()
        done += len(y)
        if callback is not None:
            callback(Progress(done=done, total=len(batch), unit="examples"))
    return right / len(batch)


def _per_channel(statistic: Statistic, x: Tensor) -> Tensor:
    values = torch.as_tensor(statistic, dtype=x.dtype, device=x.device).reshape(-1)
    if len(values) not in (1, x.shape[1]):
        raise ValueError(
            f"fgsm_accuracy: mean and std must be one number or one for each of {x.shape[1]} channels, got {len(values)}"
        )
    return values.view(-1, *[1] * (x.ndim - 2))


def _check_range(images: Tensor, pixels: tuple[float, float]) -> None:
    low, high = pixels
    if images.min() < low - _OUTSIDE or images.max() > high + _OUTSIDE:
        raise ValueError(
            f"fgsm_accuracy: pixels reach from {images.min():.3g} to {images.max():.3g}, outside [{low:g}, {high:g}]: give the "
            "mean and std that the batch was standardised with, or pixels=None"
        )


def _ascent(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The sign of the gradient of the cross entropy, 0 where the net does not look."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        logits = net(leaf)
        label = y[:, None]
        others = logits.scatter(1, label, float("-inf")).logsumexp(1)
        (gradient,) = torch.autograd.grad((others - logits.gather(1, label)[:, 0]).sum(), leaf)
    return gradient.sign()


def _cut(moved: Tensor, x: Tensor, limits: list[Tensor] | None) -> Tensor:
    """Within the range, or where x was, should rounding have put it just outside: epsilon 0 moves nothing."""
    if limits is None:
        return moved
    low, high = limits
    return torch.minimum(torch.maximum(moved, torch.minimum(low, x)), torch.maximum(high, x))
