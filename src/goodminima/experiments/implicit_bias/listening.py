"""How the long loops of `theory` tell a run's live line where they stand."""

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context
from goodminima.theory.loops import Callback


def steps_told(context: Context, *, total: int, before: int = 0) -> Callback:
    """A listener that reports steps taken, of `total`; `before` were taken by earlier loops of the same replicate."""

    def callback(steps: int) -> None:
        done = before + steps
        context.callback(Progress(done=done, total=total, unit="steps", effort=done, effort_unit="steps"))

    return callback
