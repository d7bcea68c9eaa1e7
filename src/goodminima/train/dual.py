"""Linear models of more features than examples, fitted to the last example: one coefficient an example and class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.progress import Callback, Progress
from goodminima.tasks.task import Examples
from goodminima.train.optimizers.lbfgs_armijo import LBFGSArmijo

Kernel = Callable[[Tensor, Tensor], Tensor]

_CHUNK = 1000  # examples whose kernel rows are made at a time
_AT_A_TIME = 10  # iterations between two signs of life
_HISTORY = 20
_LEAST_PENALTY = 1e-14


@final
class DualModel(nn.Module):
    """The linear model w = sum_i alpha_i phi(x_i) on features phi and a constant 1, given by inner products of features.

    Args:
        kernel: (N, ...), (M, ...) -> (N, M), inner products of the features of inputs.
        anchors: The x_i.
        alpha: Their coefficients, a column a class.
    """

    anchors: Tensor
    alpha: Tensor

    def __init__(self, kernel: Kernel, anchors: Float[Tensor, "M ..."], alpha: Float[Tensor, "M C"]) -> None:
        super().__init__()
        self._kernel = kernel
        self.register_buffer("anchors", anchors)
        self.register_buffer("alpha", alpha)

    def forward(self, x: Float[Tensor, "N ..."]) -> Float[Tensor, "N C"]:
        """The outputs of the model.

        Args:
            x: N inputs.

        Returns:
            Logits.

        Cost: N M inner products.
        """
        parts = [self._kernel(rows, self.anchors).add_(1) @ self.alpha for rows in x.split(_CHUNK)]
        return torch.cat(parts)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DualFit:
    """A fitted linear model.

    Args:
        net: The model.
        accuracy: Share of the training examples that it has right.
        penalty: That of the softmax fit; 0 for least squares, whose norm is the least of all that interpolate.
        norm: |w|, bias included.
        iterations: Of the softmax fit in all; 0 for least squares.
        converged: Whether the gradient became as small as asked for.
    """

    net: DualModel
    accuracy: float
    penalty: float
    norm: float
    iterations: int
    converged: bool


@final
@dataclass(frozen=True, slots=True)
class _Problem:
    """A kernel matrix K with the bias, as k L L^T with k the mean of its diagonal: outputs L beta have |w|^2 = |beta|^2 / k."""

    kernel: Kernel
    examples: Examples
    root: Float[Tensor, "M M"]
    scale: float

    @classmethod
    def of(cls, kernel: Kernel, examples: Examples) -> "_Problem":
        x = examples.x
        gram = torch.cat([kernel(rows, x) for rows in x.split(_CHUNK)]).double().add_(1)
        scale = float(gram.diagonal().mean())
        root, failed = torch.linalg.cholesky_ex(gram.div_(scale))
        if failed:
            raise ValueError(
                f"the features of {len(x)} examples are linearly dependent, from example {int(failed) - 1} on: "
                f"take more features, or leave out examples that occur twice"
            )
        return cls(kernel, examples, root, scale)

    def solved(self, beta: Float[Tensor, "M C"], *, penalty: float, iterations: int, converged: bool) -> DualFit:
        alpha = torch.linalg.solve_triangular(self.root.mT, beta, upper=True) / self.scale
        right = (self.root @ beta).argmax(1) == self.examples.y
        return DualFit(
            net=DualModel(self.kernel, self.examples.x, alpha.to(self.examples.x.dtype)),
            accuracy=float(right.double().mean()),
            penalty=penalty,
            norm=float(beta.norm()) / self.scale**0.5,
            iterations=iterations,
            converged=converged,
        )


def fit_least_squares(kernel: Kernel, data: Examples, *, num_classes: int) -> DualFit:
    """The model of least norm among those whose outputs are 1 for an example's class and 0 for the others.

    Args:
        kernel: Inner products of features, as `PixelProducts().kernel`. A constant feature 1, the bias, is added to them.
        data: What is fitted, M in all.
        num_classes: Number of classes C.

    Returns:
        The model, its accuracy on the examples and its norm.

    Raises:
        ValueError: If the features of the examples are linearly dependent.

    Cost: M^2 inner products, M^3 / 3 multiplications, 16 M^2 bytes.

    >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> fit_least_squares(lambda a, b: a @ b.T, Examples(x, torch.tensor([0, 1])), num_classes=2).net(x).round(decimals=4)
    tensor([[1., 0.],
            [0., 1.]])
    """
    problem = _Problem.of(kernel, data)
    wanted = F.one_hot(data.y, num_classes).double()
    beta = torch.linalg.solve_triangular(problem.root, wanted, upper=False)
    return problem.solved(beta, penalty=0.0, iterations=0, converged=True)


def fit_softmax(
    kernel: Kernel,
    data: Examples,
    *,
    num_classes: int,
    penalty: float = 1e-6,
    tolerance: float = 1e-3,
    max_iterations: int = 2000,
    callback: Callback | None = None,
) -> DualFit:
    """The model of least mean cross entropy + (penalty / 2) k |w|^2, k the mean squared norm of an example's features.

    If that does not have all training examples right, the penalty is divided by 10 until it has. The solution is unique.
    With w = sum_i alpha_i phi(x_i) and the kernel matrix K = L L^T, the problem is one of L-BFGS in L^T alpha, where |w| is
    the Euclidean norm, in float64.

    Args:
        kernel: Inner products of features, as `PixelProducts().kernel`. A constant feature 1, the bias, is added to them and
            penalised with them.
        data: What is fitted, M in all.
        num_classes: Number of classes C.
        penalty: First penalty, above 0.
        tolerance: Ends with the gradient of the whole this small, relative to that of the penalty alone; by strong convexity
            |w - w*| <= tolerance |w| then, w* the solution. Below 1e-6 the line search sees no more progress.
        max_iterations: Most iterations of one penalty.
        callback: Called with a `Progress` in training examples that are right, its effort the iterations at the penalty in hand.

    Returns:
        The model, its accuracy on the examples, its norm, and the penalty that it took.

    Raises:
        ValueError: If the penalty is not positive, or the features of the examples are linearly dependent.

    Cost: M^2 inner products, M^3 / 3 multiplications, and 2 M^2 C an iteration; 24 M^2 bytes.

    Reference: representer theorem, Schölkopf, Herbrich, Smola 2001; for Huang et al. 2020, section 2, whose SGD is said to
        reach perfect training accuracy.
    """
    if not penalty > 0:
        raise ValueError(f"fit_softmax: penalty must be positive, got {penalty}")
    problem = _Problem.of(kernel, data)
    beta = nn.Parameter(problem.root.new_zeros(len(data), num_classes))
    iterations = 0
    while True:
        done, converged = _descend(
            problem.root, data.y, beta, penalty=penalty, tolerance=tolerance, most=max_iterations, callback=callback
        )
        iterations += done
        fit = problem.solved(beta.detach(), penalty=penalty, iterations=iterations, converged=converged)
        if fit.accuracy == 1 or penalty < _LEAST_PENALTY:
            return fit
        penalty /= 10


def _descend(
    root: Float[Tensor, "M M"],
    y: Tensor,
    beta: nn.Parameter,
    *,
    penalty: float,
    tolerance: float,
    most: int,
    callback: Callback | None,
) -> tuple[int, bool]:
    """Minimises over beta in place; iterations, and whether the gradient became small enough."""
    optimizer = LBFGSArmijo([beta], history_size=_HISTORY, max_iter=_AT_A_TIME)
    logits = root @ beta.detach()

    def closure() -> Tensor:
        nonlocal logits
        optimizer.zero_grad()
        out = root @ beta
        logits = out.detach()
        loss = F.cross_entropy(out, y) + penalty / 2 * beta.square().sum()
        loss.backward()
        return loss

    def small() -> bool:
        closure()
        assert beta.grad is not None
        return bool(beta.grad.norm() <= tolerance * penalty * beta.detach().norm())

    for done in range(0, most, _AT_A_TIME):
        if small():
            return done, True
        before = beta.detach().clone()
        optimizer.step(closure)
        if torch.equal(beta, before):  # no progress that float64 could see
            return done, False
        if callback is not None:
            right = int((logits.argmax(1) == y).sum())
            effort = done + _AT_A_TIME
            callback(Progress(done=right, total=len(y), unit="examples right", effort=effort, effort_unit="iterations"))
    return most, small()
