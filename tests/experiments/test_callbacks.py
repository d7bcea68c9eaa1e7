"""Progress of verbs, told as a replicate's."""

from goodminima.core.progress import Progress
from goodminima.experiments.callbacks import as_part, named
from goodminima.experiments.experiment import Context
from goodminima.experiments.settings import Settings

HEARD: list[Progress] = []
CONTEXT = Context(experiment="e", scale_settings=Settings(), replicate=0, seed=0, data=None, callback=HEARD.append)


def test_one_of_several_loops_is_told_as_a_part_of_all() -> None:
    as_part(CONTEXT, total=300, before=100)(Progress(done=20, total=100, unit="steps"))
    assert HEARD.pop() == Progress(done=120, total=300, unit="steps", effort=120, effort_unit="steps")


def test_what_is_counted_gets_a_name() -> None:
    named(CONTEXT, "examples of vanilla")(Progress(done=30, total=100, unit="examples"))
    assert HEARD.pop() == Progress(done=30, total=100, unit="examples of vanilla", effort=30, effort_unit="examples")
