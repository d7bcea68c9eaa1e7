"""Every example runs, and prints what its text promises."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMISES = {
    "01_guess_and_check.py": "10 solutions in",
    "02_your_own_net.py": "log V = ",
    "03_two_machines.py": "the same as in one go: True",
    "04_sgd_at_the_same_loss.py": "trained: ",
    "05_train_without_gradients.py": "100% of the wedge right",
    "06_volumes.py": "solved, all 11 points right",
    "07_basin.py": "aimed: log V = -192.2",
    "08_measures.py": "with momentum and weight decay: accuracy 100% train",
    "09_surface.py": "bad: 32% test accuracy; the loss is below 0.3 on",
    "10_bad_minima.py": "plain SGD from the adversarial start: 100% train, 7",
}


def test_every_example_has_a_promise() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_example_keeps_its_promise(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert PROMISES[name] in capsys.readouterr().out
