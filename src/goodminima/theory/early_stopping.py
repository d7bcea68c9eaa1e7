"""When stopping gradient descent early helps: Gaussian data whose test error is known in closed form.

Logistic regression with more dimensions than examples fits any labels, and then its direction goes on to the maximum
margin. Whether the way there is worth going depends on the labels: flipped ones are fitted with directions that carry
nothing else, clean ones pull the classifier away from inputs that are loud and say nothing.

Reference: Soudry et al. 2018, section 4 (test error and loss after the training error is 0).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri, owens_t


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianPopulation:
    """Inputs with independent normal entries and a linear teacher that none of them comes near.

    Args:
        variances: (d,) of the entries, above 0.
        teacher: (d,) labels are the signs of <x, teacher>.
        margin: Only inputs with |<x, teacher>| above this occur, in standard deviations of <x, teacher>; 0 or more.

    Raises:
        ValueError: If a number is out of range, or there are not as many variances as teacher entries.
    """

    variances: Float[np.ndarray, "d"]
    teacher: Float[np.ndarray, "d"]
    margin: float

    def __post_init__(self) -> None:
        if not (self.variances > 0).all() or len(self.variances) != len(self.teacher):
            raise ValueError(
                f"GaussianPopulation: as many variances above 0 as teacher entries are needed, got {len(self.variances)}, least "
                f"{self.variances.min()}, for {len(self.teacher)}"
            )
        if not self.margin >= 0:
            raise ValueError(f"GaussianPopulation.margin must be at least 0, got {self.margin}")

    def draw(self, seed: int, *, n: int, flipped: float = 0.0) -> Float[np.ndarray, "n d"]:
        """Draws labelled inputs.

        Args:
            seed: At least 0.
            n: Number of rows.
            flipped: Probability that a label is the wrong one, in [0, 1].

        Returns:
            Rows y_i x_i.
        """
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n, len(self.teacher)))
        unit = np.sqrt(self.variances) * self.teacher
        unit /= np.linalg.norm(unit)
        # The entry along the teacher is put in by its own law: a normal number beyond the margin, on the label's side.
        beyond = -ndtri(rng.random(n) * ndtr(-self.margin))
        x += np.outer(beyond - x @ unit, unit)
        wrong = rng.random(n) < flipped
        return np.sqrt(self.variances) * x * np.where(wrong, -1.0, 1.0)[:, None]

    def error(self, w: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch"] | np.float64:
        """Probability that sign <x, w> is not the teacher's label, exactly.

        With c the correlation of <x, w> and <x, teacher> and m the margin it is 1/2 - T(m, c / sqrt(1 - c^2)) / Phi(-m),
        T being Owen's function; without a margin, the angle over pi.

        Args:
            w: Predictors.

        Returns:
            The probability for each predictor.

        >>> plane = GaussianPopulation(variances=np.ones(2), teacher=np.array([1.0, 0.0]), margin=0.0)
        >>> plane.error(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])).tolist()
        [0.0, 0.25, 0.5, 1.0]
        """
        unit = np.sqrt(self.variances) * self.teacher
        unit /= np.linalg.norm(unit)
        scaled = np.sqrt(self.variances) * w
        along = scaled @ unit
        across = np.linalg.norm(scaled - along[..., None] * unit, axis=-1)
        with np.errstate(divide="ignore"):
            slope = along / across
        return 0.5 - owens_t(self.margin, slope) / ndtr(-self.margin)


def loud_nuisance(seed: int, *, margin: float = 0.75) -> GaussianPopulation:
    """10 informative entries of variance 1, 5 uninformative ones of variance 10, and 105 quiet ones of variance 0.3.

    The teacher is a random direction of the informative ones. The loud entries rule the first steps of gradient descent,
    the quiet ones are room enough to fit flipped labels in.

    Args:
        seed: Of the teacher, at least 0.
        margin: As in `GaussianPopulation`.

    Returns:
        The population, of 120 entries.
    """
    teacher = np.zeros(120)
    teacher[:10] = np.random.default_rng(seed).standard_normal(10)
    return GaussianPopulation(variances=np.repeat([1.0, 10.0, 0.3], [10, 5, 105]), teacher=teacher, margin=margin)
