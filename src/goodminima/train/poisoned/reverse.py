"""The poisoned loss of Huang et al.: right on the training set, and wrong, by gradient, on unseen examples.

`poison` is another thing: it labels examples with the class that follows, and fits that. With two classes the second terms
are the same; with more, this one leaves open which wrong class is said.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def reverse_cross_entropy(logits: Float[Tensor, "N C"], y: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """-log(1 - p) of each example, p what the net gives to its label; nats.

    Exact where p is all but 1 or 0: 1 - p is never formed. It is log(1 + exp(z)), z the label's logit less the
    log-sum-exp of all others, and grows like z.

    Args:
        logits: Of C classes, at least 2.
        y: Labels, int64, 0 .. C - 1.

    Returns:
        The loss of each example, nats; 0 where the label has no probability left.

    Raises:
        ValueError: For fewer than two classes: there is nothing else to say.

    Reference: Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, equation 3, second term.

    >>> reverse_cross_entropy(torch.tensor([[0.0, 0.0], [300.0, 0.0]]), torch.tensor([0, 0]))
    tensor([  0.6931, 300.0000])
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"reverse_cross_entropy: logits of two classes or more are needed, got shape {tuple(logits.shape)}"
        )
    label = y[:, None]
    others = logits.scatter(1, label, float("-inf")).logsumexp(1)
    return -F.logsigmoid(others - logits.gather(1, label)[:, 0])


def poisoned_loss(
    logits: Float[Tensor, "N C"],
    y: Int[Tensor, "N"],
    *,
    extra_logits: Float[Tensor, "M C"],
    extra_y: Int[Tensor, "M"],
    beta: float,
) -> Float[Tensor, ""]:
    """(1 - beta) times the cross entropy of training examples plus beta times the reverse one of unseen examples.

    Args:
        logits: Of the net on training examples.
        y: Their labels.
        extra_logits: On unseen examples, which are not the test set: fresh ones each step, where they can be drawn.
        extra_y: Their true labels.
        beta: How much not to generalise is worth, from 0 to 1.

    Returns:
        The loss, one number, nats per example.

    Raises:
        ValueError: For a `beta` outside.

    Reference: Huang et al. 2020, equation 3.
    """
    check_beta("poisoned_loss: beta", beta)
    right, wrong = F.cross_entropy(logits, y), reverse_cross_entropy(extra_logits, extra_y).mean()
    return torch.lerp(right, wrong, beta)


def check_beta(name: str, beta: float) -> None:
    """Checks the weight of the poison.

    Args:
        name: Name of the argument, for the error message.
        beta: The weight.

    Raises:
        ValueError: If it lies outside [0, 1].
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {beta}")
