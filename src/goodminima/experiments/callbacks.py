"""What a verb tells of its progress, told to a run's live line as part of a replicate's."""

from dataclasses import replace

from goodminima.core.progress import Callback, Progress
from goodminima.experiments.experiment import Context


def as_part(context: Context, *, total: float, before: float = 0) -> Callback:
    """For one of several loops of a replicate.

    Args:
        context: Of the replicate.
        total: How far all loops go together.
        before: How far earlier loops came.
    """

    def callback(progress: Progress) -> None:
        done = before + progress.done
        context.callback(replace(progress, done=done, total=total, effort=done))

    return callback


def named(context: Context, unit: str) -> Callback:
    """For a verb that does not know what it counts: "examples of vanilla", say."""

    def callback(progress: Progress) -> None:
        context.callback(replace(progress, unit=unit))

    return callback
