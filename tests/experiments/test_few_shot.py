"""Table 5: one set of features and of episodes for all optimizers, compared episode by episode."""

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from goodminima.core.progress import Progress
from goodminima.experiments.catalogue import find
from goodminima.experiments.chiang2023 import few_shot
from goodminima.experiments.chiang2023.few_shot import ACCURACY, GAIN, GAIN_INTERVAL, INTERVAL
from goodminima.experiments.experiment import Context, Outcome
from goodminima.report.figures import PICTURES
from goodminima.run import Group, Replicate, Results
from goodminima.run.results import identity_of

TABLE5 = find("chiang2023/table5")
CONTEXT = Context(
    experiment=TABLE5.name, scale_settings=TABLE5.scales["smoke"].settings, replicate=0, seed=0, data="digits"
)


def _run(name: str, context: Context = CONTEXT) -> Outcome:
    return TABLE5.run_cell(next(cell for cell in TABLE5.cells if cell.name == name), context)


@pytest.mark.parametrize("name", ["1-shot/sgd", "1-shot/pattern", "1-shot/ridge", "1-shot/svm", "5-shot/sgd"])
def test_every_optimizer_is_better_than_chance(name: str) -> None:
    values = _run(name).values
    # 1,500 questions of chance 1/5: 5 standard deviations are 0.052.
    assert values[ACCURACY] is not None
    assert values[ACCURACY] > 0.2 + 0.052


def test_the_gain_is_the_mean_difference_over_the_same_episodes() -> None:
    sgd, ridge = _run("1-shot/sgd"), _run("1-shot/ridge")
    assert np.array_equal(sgd.arrays["sgd"], ridge.arrays["sgd"])
    gains = ridge.arrays["accuracy"] - sgd.arrays["sgd"]
    error = gains.std(ddof=1) / math.sqrt(20)
    assert ridge.values[GAIN] == pytest.approx(gains.mean(), abs=1e-12)
    assert ridge.errors[GAIN] == pytest.approx(error)
    assert ridge.values[GAIN_INTERVAL] == pytest.approx(2.0930 * error, rel=1e-4)  # Student's t, 19 degrees of freedom
    assert sgd.values[INTERVAL] == pytest.approx(2.0930 * sgd.errors[ACCURACY], rel=1e-4)


def test_five_shots_answer_the_same_questions_better() -> None:
    one, five = (_run(name).values[ACCURACY] for name in ("1-shot/ridge", "5-shot/ridge"))
    assert one is not None
    assert five is not None
    assert five > one


def test_a_replicate_has_episodes_of_its_own_and_the_features_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = few_shot.pretrained_features

    def listening(*arguments, seed: int, **options):
        asked.append(seed)
        return real(*arguments, seed=seed, **options)

    monkeypatch.setattr(few_shot, "pretrained_features", listening)
    first, second = (_run("1-shot/ridge", replace(CONTEXT, replicate=number)) for number in (0, 1))
    assert not np.array_equal(first.arrays["accuracy"], second.arrays["accuracy"])
    _run("1-shot/ridge", replace(CONTEXT, seed=1))
    assert asked[0] == asked[1] != asked[2]


def test_progress_goes_up_to_the_last_episode() -> None:
    heard: list[Progress] = []
    _run("1-shot/pattern", replace(CONTEXT, callback=heard.append))
    assert [progress.done for progress in heard if progress.unit == "episodes"] == list(range(1, 21))


def test_the_note_says_how_many_images_a_class_has() -> None:
    assert _run("1-shot/sgd").note == "base 5 classes of 177 to 183 images, novel 5 classes of 174 to 182 images"


def test_the_picture_shows_a_panel_for_each_pattern_search() -> None:
    group = Group(experiment=TABLE5.name, scale="smoke", data="digits", seed=0, device="cpu")
    gains = np.array([2, 4, 6]) / 75
    stored: dict[str, tuple[Replicate, ...]] = {cell.name: () for cell in TABLE5.cells}
    for cell in TABLE5.cells:
        if cell.name in ("1-shot/sgd", "1-shot/pattern"):
            arrays = {"sgd": np.full(3, 0.5)} | ({"accuracy": 0.5 + gains} if cell.name != "1-shot/sgd" else {})
            stored[cell.name] = (
                Replicate(
                    identity=identity_of(TABLE5, cell, group=group, replicate=0),
                    outcome=Outcome(values={}, arrays=arrays),
                    seconds=1.0,
                    device="cpu",
                    versions={},
                    revision="",
                    created="",
                ),
            )
    figure = PICTURES["paired_episodes"](TABLE5, Results(experiment=TABLE5, group=group, replicates=stored))
    plt.close(figure)
    (panel,) = figure.axes
    assert panel.get_title() == "1-shot, start: PyTorch"
    # 16/3 points, and 1.96 times 8/3 / sqrt(3).
    assert [text.get_text() for text in panel.texts] == ["+5.33 ± 3.02"]
