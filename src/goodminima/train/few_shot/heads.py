"""Linear heads on frozen features: one of its own for every episode, all of them trained as one population.

A head is a row of theta in the order of `LinearModel(in_features=F, num_classes=C)`: C rows of F weights, then C biases.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from goodminima.core.progress import Callback, Progress
from goodminima.population.population import Evaluator, margins
from goodminima.tasks.episodes import Episodes
from goodminima.tasks.task import Examples
from goodminima.train.sgd import SGDConfig, init, minibatches, step

_CHUNK = 4_000_000  # float64s of query features at once: 32 MB


def sgd_heads(
    x: Float[Tensor, "E S F"], y: Int[Tensor, "S"], *, start: Float[Tensor, "E D"], sgd: SGDConfig, seed: int
) -> Float[Tensor, "E D"]:
    """Trains every head on its own examples by SGD on the cross entropy; all take the same rows at the same time.

    Args:
        x: Features of the S examples of each of E episodes.
        y: Their labels, the same in every episode.
        start: Where each head starts.
        sgd: Step, epochs, batch.
        seed: Order of the batches.

    Returns:
        The trained heads, one a row: weights (C, F), then C biases.

    Cost: two products with the features a step.
    """
    classes = _num_classes(start, x)
    heads = Evaluator(
        logits=lambda theta, x: logits(theta, x.transpose(0, 1), classes),
        gradient=lambda theta, x, y: _gradient(theta, x.transpose(0, 1), y, classes),
        numbers_per_member=start.shape[1],
        numbers_per_example=x.shape[2],
        examples=len(y),
    )
    by_example, state = x.transpose(0, 1), init(start)  # examples first, as a batch is cut
    for _, rows in minibatches(len(y), sgd, seed):
        state = step(heads, state, Examples(by_example[rows], y[rows]), sgd)
    return state.theta


def ridge_heads(x: Float[Tensor, "E S F"], y: Int[Tensor, "S"], *, penalty: float) -> Float[Tensor, "E D"]:
    """Least squares on one-hot labels plus `penalty` ||W||^2, in closed form; the bias is free.

    With centred examples X and labels Y: W = X^T (X X^T + penalty I)^-1 Y, S equations instead of F.

    Args:
        x: Features of the S examples of each of E episodes.
        y: Their labels, the same in every episode.
        penalty: What ||W||^2 costs, above 0.

    Returns:
        The heads, float64, one a row: weights (C, F), then C biases.

    Raises:
        ValueError: If `penalty` is not above 0.

    Reference: Bertinetto, Henriques, Torr, Vedaldi 2019, section 3.2 (without their learned scale).
    """
    if not penalty > 0:
        raise ValueError(f"ridge_heads: penalty must be positive, got {penalty}")
    targets = one_hot(y).to(torch.float64)
    x, mean = x.double(), x.double().mean(1, keepdim=True)
    centred, offset = x - mean, targets.mean(0)
    kernel = centred @ centred.transpose(1, 2) + penalty * torch.eye(len(y), dtype=torch.float64)
    weight = (
        torch.linalg.solve(kernel, (targets - offset).expand(len(x), -1, -1)).transpose(1, 2) @ centred
    )  # (E, C, F)
    bias = offset - (weight @ mean.transpose(1, 2)).squeeze(2)
    return torch.cat([weight.flatten(1), bias], dim=1)


def svm_heads(
    x: Float[Tensor, "E S F"],
    y: Int[Tensor, "S"],
    *,
    cost: float,
    seed: int,
    callback: Callback | None = None,
) -> Float[Tensor, "E D"]:
    """Linear support vector machines for several classes at once, by scikit-learn.

    Args:
        x: Features of the S examples of each of E episodes.
        y: Their labels, the same in every episode, of three classes or more.
        cost: C, the weight of the slacks.
        seed: Of the order in which the solver takes the examples.
        callback: Called with a `Progress` in episodes.

    Returns:
        The heads, float64, one a row: weights (C, F), then C biases.

    Reference: Crammer, Singer 2001; Lee, Maji, Ravichandran, Soatto 2019, section 3 (with C = 0.1).
    """
    from sklearn.svm import LinearSVC

    heads = []
    for done, features in enumerate(x.double().numpy(), start=1):
        machine = LinearSVC(multi_class="crammer_singer", C=cost, random_state=seed % 2**32, max_iter=10_000)
        machine.fit(features, y.numpy())
        heads.append(np.concatenate([machine.coef_.ravel(), np.ravel(machine.intercept_)]))
        if callback is not None:
            callback(Progress(done=done, total=len(x), unit="episodes"))
    return torch.from_numpy(np.stack(heads))


def logits(theta: Float[Tensor, "E D"], x: Float[Tensor, "E N F"], num_classes: int) -> Float[Tensor, "E N C"]:
    """Every head's answer to examples of its own.

    Args:
        theta: The heads, one a row: weights (C, F), then C biases.
        x: Features of N examples for each head.
        num_classes: C.

    Returns:
        Logits of each head on its examples.
    """
    weight = theta[:, :-num_classes].unflatten(1, (num_classes, -1))  # (E, C, F)
    return torch.baddbmm(theta[:, None, -num_classes:], x, weight.transpose(1, 2))


def query_accuracy(
    theta: Float[Tensor, "E D"], features: Float[Tensor, "M F"], *, episodes: Episodes
) -> Float[Tensor, "E"]:
    """How many of its episode's questions each head answers right; a tie counts as wrong.

    In float64 throughout: no answer depends on how products are cut.

    Args:
        theta: The heads, one an episode.
        features: Features of all M images.
        episodes: Which of them are asked.

    Returns:
        Fraction of the questions that are answered right, of each episode.
    """
    members = max(1, _CHUNK // (episodes.query.shape[1] * features.shape[1]))
    right = []
    for heads, rows in zip(theta.double().split(members), episodes.query.split(members), strict=True):
        answers = logits(heads, features[rows].double(), episodes.ways)
        right.append((margins(answers, episodes.query_y) > 0).double().mean(1))
    return torch.cat(right)


def _gradient(theta: Tensor, x: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Of each head's mean cross entropy: (softmax - one hot)^T x / S."""
    surplus = logits(theta, x, num_classes).softmax(2) - one_hot(y, num_classes).to(theta.dtype)  # (E, S, C)
    surplus = surplus / len(y)
    return torch.cat([(surplus.transpose(1, 2) @ x).flatten(1), surplus.sum(1)], dim=1)


def _num_classes(theta: Tensor, x: Tensor) -> int:
    classes, left = divmod(theta.shape[1], x.shape[2] + 1)
    if left or not classes or len(theta) != len(x):
        raise ValueError(
            f"heads on {x.shape[2]} features have {x.shape[2] + 1} parameters a class, one head an episode: "
            f"got {tuple(theta.shape)} for {len(x)} episodes"
        )
    return classes
