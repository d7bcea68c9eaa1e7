"""From the estimates of independent runs to a volume with an interval."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from goodminima.core.log_volume import Count, LogVolume
from goodminima.core.status import Status
from goodminima.volume.splitting.lineage import LEAST_FAMILIES
from goodminima.volume.splitting.sampler import RunEstimate


def status_of(estimates: Sequence[RunEstimate]) -> Status:
    """How some runs ended together.

    Args:
        estimates: One a run.

    Returns:
        EMPTY if no run arrived, SOLVED if all did and mixed on the way, else STOPPED_MIXING.
    """
    arrived = [estimate.log_volume > -math.inf for estimate in estimates]
    if not any(arrived):
        return Status.EMPTY
    mixed = all(estimate.families >= LEAST_FAMILIES for estimate in estimates)
    return Status.SOLVED if mixed and all(arrived) else Status.STOPPED_MIXING


def combine(estimates: Sequence[RunEstimate], *, particles: int, confidence: float = 0.95) -> LogVolume:
    """The log volume that independent runs agree on.

    - Where one level was enough in every run, they counted hits among independent draws: the exact binomial interval.
    - Runs that mixed: the log of a run's product is normal to a good approximation, with mean log V - s^2 / 2, for the product
      itself is unbiased. So log V is estimated by the mean plus s^2 / 2, with Student's t in place of the normal quantile,
      and the variance s^2 / R + s^4 / (2 (R - 1)) of R runs.
    - Where a run stopped mixing the product is unbiased still, but its mean is carried by runs that hardly ever happen,
      and what is seen lies low. By Markov's inequality neither the mean of R products nor the R-th root of their product is
      above V by more than a factor 1 / alpha and alpha^(-1 / R) with probability alpha: the better one, each at half of it.
    - No run arrived: the volume is below that of the smallest level that was reached while particles mixed, the largest of
      the runs' values with the error that a run has at best, sqrt(levels / particles).

    Args:
        estimates: One a run.
        particles: Particles of a run.
        confidence: Coverage of the interval.

    Returns:
        Log volume, natural log of a probability, with an interval, or a bound alone.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.

    Reference: Zhou and Gao 1997 on intervals for lognormal means (Cox's); Markov's inequality.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    logs = np.array([estimate.log_volume for estimate in estimates])
    match status_of(estimates):
        case Status.EMPTY:
            quantile = float(norm.ppf(confidence))
            ceilings = (r.ceiling + quantile * math.sqrt(r.levels / particles) for r in estimates)
            return LogVolume(None, -math.inf, min(0.0, max(ceilings)), confidence)
        case Status.STOPPED_MIXING:
            return LogVolume(None, _surely_below(logs, confidence), 0.0, confidence)
    if all(estimate.levels == 1 for estimate in estimates):
        hits = int(np.rint(np.exp(logs) * particles).sum())
        return Count(hits, particles * len(estimates)).log_volume(confidence)
    if len(logs) == 1:
        return LogVolume(float(logs[0]), _surely_below(logs, confidence), 0.0, confidence)
    runs, variance = len(logs), float(logs.var(ddof=1))
    centre = float(logs.mean()) + variance / 2
    error = math.sqrt(variance / runs + variance**2 / (2 * (runs - 1)))
    half = float(student.ppf((1 + confidence) / 2, runs - 1)) * error
    return LogVolume(min(centre, 0.0), centre - half, min(centre + half, 0.0), confidence)


def _surely_below(logs: np.ndarray, confidence: float) -> float:
    runs, alpha = len(logs), (1 - confidence) / 2
    of_mean = float(np.logaddexp.reduce(logs)) - math.log(runs) + math.log(alpha)
    return max(of_mean, float(logs.mean()) + math.log(alpha) / runs)
