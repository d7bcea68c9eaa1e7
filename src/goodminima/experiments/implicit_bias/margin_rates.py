"""Nacson et al. and Ji, Srebro, Telgarsky: the margin gap against t, from plain descent to acceleration of the dual."""

from dataclasses import dataclass
from typing import final

import numpy as np

from goodminima.core.checks import check_choice
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Settings
from goodminima.theory.convex import margin, max_margin
from goodminima.theory.data import planted
from goodminima.theory.loops import log_spaced, slope
from goodminima.theory.margin_rates import Rule, margin_path

_STEPS = 10**6
_FITTED_FROM = 10**4


@final
@dataclass(frozen=True, kw_only=True)
class RuleCell(Settings):
    """What a cell sets.

    Args:
        rule: Name of the `Rule` by which steps are made.
    """

    rule: str

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rule", self.rule, tuple(Rule.__members__))


def _run(cell: Cell[RuleCell], context: Context) -> Outcome:
    z = planted(context.key("data"), n=40, d=5).z
    z /= np.linalg.norm(z, axis=1).max()
    times = log_spaced(_STEPS)
    path = margin_path(z, rule=Rule[cell.settings.rule], times=times, callback=context.callback)
    gaps = 1 - margin(z, path) / max_margin(z).margin
    late = times >= _FITTED_FROM
    values = {"exponent": slope(np.log(times[late]), np.log(gaps[late])), "gap": float(gaps[-1])}
    if "product" in cell.measures:
        products = (gaps * np.linalg.norm(path, axis=1))[late]
        values["product"] = float(products[-1] / products[0])
    return Outcome(values=values, arrays={"times": times.astype(np.float64), "gap": gaps})


def _cell(name: str, rule: Rule, exponent: float, within: float) -> Cell[RuleCell]:
    statement = f"the margin gap closes like t^{exponent:g}: exponent over t = 1e4 to 1e6"
    claim = Claim(statement, above=exponent - within, below=exponent + within)
    return Cell(name=name, settings=RuleCell(rule=rule.name), measures=("exponent", "gap"), claims={"exponent": claim})


MARGIN_RATES = Experiment(
    name="implicit_bias/margin_rates",
    title="Steps that grow as the gradient shrinks reach the maximum margin at polynomial rates",
    claim="Dividing the gradient by its norm or by the loss turns a logarithmic rate into a power of t; momentum in the "
    "dual squares it.",
    source="Nacson et al. 2019; Ji, Srebro and Telgarsky 2021",
    percent=False,
    cells=(
        Cell(
            name="descent",
            settings=RuleCell(rule=Rule.DESCENT.name),
            measures=("exponent", "product", "gap"),
            claims={
                "exponent": Claim("no power of t: exponent over t = 1e4 to 1e6", above=-0.2),
                "product": Claim(
                    "gap times norm is constant, so the gap closes like 1 / log t: ratio of its values at 1e6 and 1e4",
                    above=0.85,
                    below=1.15,
                ),
            },
        ),
        _cell("normalised-decaying", Rule.NORMALISED_DECAYING, -0.5, 0.06),
        _cell("over-loss", Rule.OVER_LOSS, -1.0, 0.15),
        _cell("normalised", Rule.NORMALISED, -1.0, 0.15),
        _cell("dual-acceleration", Rule.ACCELERATED, -2.0, 0.02),
    ),
    scales={
        "smoke": Scale(replicates=1),
        "laptop": Scale(replicates=3),
        "paper": Scale(replicates=10),
    },
    run_cell=_run,
    picture="margin_rates",
    remarks=(
        "Programme, section The linear theorem. Exponential loss, step size 1, rows of norm at most 1; gap = 1 - achieved "
        "/ optimal margin, from a reference exact to about 1e-14.",
        "The text speaks of the direction; the rates are theorems about its margin, and are measured there.",
        "Dual acceleration (Ji, Srebro and Telgarsky 2021) is beyond the text; so is the constant step of the "
        "normalised gradient.",
    ),
)
