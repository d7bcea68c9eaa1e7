"""What Figure 5 says of a basin: radii and volumes at several cutoffs, for the swiss roll and for images."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from goodminima.volume import Basin

STATISTICS = (
    "mean radius", "smallest radius", "largest radius", "geometric mean radius", "log10 V", "log10 V, geometric mean",
    "log10 V, parameters", "effective rays",
)  # fmt: skip
_LOG10 = math.log(10)


def statistics_below(measure: Callable[[list[float]], Basin], *, loss: float, cutoffs: Sequence[float]) -> np.ndarray:
    """(statistics, cutoffs) of a minimum's rays, NaN at the cutoffs that the minimum itself lies above.

    Args:
        measure: Sends rays out to some of the cutoffs.
        loss: At the minimum.
        cutoffs: Increasing.
    """
    within = [place for place, cutoff in enumerate(cutoffs) if loss < cutoff]
    values = np.full((len(STATISTICS), len(cutoffs)), np.nan)
    if within:
        basin = measure([cutoffs[place] for place in within])
        for place in within:
            values[:, place] = _statistics_of(basin.at(cutoffs[place]))
    return values


def _statistics_of(basin: Basin) -> tuple[float, ...]:
    return (
        basin.mean_radius,
        float(basin.radii.min()),
        float(basin.radii.max()),
        basin.geometric_mean_radius,
        basin.log_average / _LOG10,
        basin.log_geometric_volume / _LOG10,
        (basin.log_average + basin.log_unit) / _LOG10,
        basin.effective_rays,
    )
