"""How verbs tell a run's live line where a replicate stands: callbacks for those that give nothing but counts."""

from collections.abc import Callable

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context


def steps_told(context: Context, *, total: int, before: int = 0, of: str = "steps") -> Callable[[int], None]:
    """For what counts its steps.

    Args:
        context: Of the replicate.
        total: Steps of all loops of the replicate.
        before: Steps that earlier loops of the same replicate took.
        of: What the steps are.
    """

    def callback(steps: int) -> None:
        done = before + steps
        context.callback(Progress(done=done, total=total, unit=of, effort=done, effort_unit=of))

    return callback


def parts_told(context: Context, *, of: str, effort_unit: str) -> Callable[[int, int], None]:
    """For what counts how much of a total it has done.

    Args:
        context: Of the replicate.
        of: What there is a total of: "points of the slice".
        effort_unit: What is counted: "losses".
    """

    def callback(done: int, total: int) -> None:
        context.callback(Progress(done=done, total=total, unit=of, effort=done, effort_unit=effort_unit))

    return callback


def hits_told(
    context: Context, *, num_solutions: int, effort_unit: str, of: str = "solutions"
) -> Callable[[int, tuple[int, ...]], None]:
    """For searches and trainings that count their solutions, bin by bin.

    Args:
        context: Of the replicate.
        num_solutions: How many are asked for in each bin.
        effort_unit: What a search spends: "guesses".
        of: What is found.
    """

    def callback(effort: int, hits: tuple[int, ...]) -> None:
        done = sum(min(count, num_solutions) for count in hits)
        total = num_solutions * len(hits)
        context.callback(Progress(done=done, total=total, unit=of, effort=effort, effort_unit=effort_unit))

    return callback
