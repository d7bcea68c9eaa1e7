"""`fit` is the plain loop of torch.optim, repeats itself bit by bit, and goes on where it was stopped."""

# Functions and objects of all kinds get an `identity`, and stand where others are annotated.
# pyright: reportAttributeAccessIssue=false, reportFunctionMemberAccess=false, reportArgumentType=false, reportOperatorIssue=false

import contextlib
import copy
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_training import digits, tiny_net
from torch import Tensor, nn

from goodminima.core.checkpoint import OtherTraining
from goodminima.core.progress import Progress
from goodminima.core.streams import stream
from goodminima.tasks import Examples, Task
from goodminima.train import Fit, fit
from goodminima.train.recipe import OPTIMIZERS, Constant, Cosine, CropFlip, MultiStep, OptimizerConfig, Recipe
from goodminima.train.training import Epoch, fitted

MOMENTUM = OptimizerConfig(lr=0.05, options={"momentum": 0.9})
RECIPE = Recipe(epochs=6, batch_size=32, optimizer=MOMENTUM, schedule=MultiStep(at=(0.5, 0.8)), weight_decay=1e-3)


def same(one: Fit, other: Fit) -> bool:
    weights = zip(one.net.state_dict().items(), other.net.state_dict().items(), strict=True)
    return one.history == other.history and all(a == b and torch.equal(x, y) for (a, x), (b, y) in weights)


def cut(recipe: Recipe = RECIPE, **options: Any) -> Fit:
    return fit(tiny_net(), digits(), seed=3, recipe=recipe, **options)


def linear(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(196, 10))


@pytest.mark.parametrize("schedule", [Constant(), MultiStep(at=(2, 4)), Cosine()], ids=lambda each: type(each).__name__)
def test_steps_are_those_of_a_plain_loop(schedule: Any) -> None:
    recipe = Recipe(epochs=5, batch_size=25, optimizer=MOMENTUM, schedule=schedule, weight_decay=0.01)
    found, train = fit(linear(), digits(), recipe=recipe, seed=8), digits().train
    net, steps = linear(), 5 * 4  # 101 examples: the one left over waits
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    for epoch in range(5):
        order = stream(8, epoch).permutation(101)
        for number in range(4):
            done, rows = (epoch * 4 + number) / steps, torch.from_numpy(order[number * 25 : number * 25 + 25])
            factor = {
                Constant: 1.0,
                MultiStep: 0.1 ** ((epoch >= 2) + (epoch >= 4)),
                Cosine: (1 + math.cos(math.pi * done)) / 2,
            }
            optimizer.param_groups[0]["lr"] = 0.05 * factor[type(schedule)]
            optimizer.zero_grad()
            F.cross_entropy(net(train.x[rows]), train.y[rows]).backward()
            optimizer.step()
    for ours, theirs in zip(found.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert found.steps == steps


def test_the_start_stays_as_it_was_and_torchs_random_numbers_too() -> None:
    start = tiny_net()
    before, random = copy.deepcopy(start.state_dict()), torch.get_rng_state()
    found = fit(start, digits(), recipe=RECIPE, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in start.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not found.net.training
    assert all(p.grad is None and p.is_contiguous() for p in found.net.parameters())


def test_the_same_seed_gives_the_same_bits_and_another_one_others() -> None:
    torch.manual_seed(1)
    first = cut()
    torch.manual_seed(2)
    assert same(first, cut())
    assert not same(first, fit(tiny_net(), digits(), recipe=RECIPE, seed=4))


def test_history_is_measured_on_whole_splits_in_eval_mode() -> None:
    found = cut()
    for split, loss, accuracy in (
        (digits().train, found.loss[-1], found.train_accuracy[-1]),
        (digits().test, found.test_loss[-1], found.test_accuracy[-1]),
    ):
        with torch.no_grad():
            logits = found.net(split.x)
        assert loss == pytest.approx(F.cross_entropy(logits, split.y).item(), rel=1e-5)
        assert accuracy == (logits.argmax(1) == split.y).double().mean().item()
    assert found.epochs.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.train_accuracy[-1] > 0.8
    assert found.last.steps == found.steps == 24


def test_how_often_it_measures_changes_nothing_else() -> None:
    every, rarely, at_the_end = cut(), cut(evaluate_every=4), cut(evaluate_every=0, evaluate=False)
    assert rarely.epochs.tolist() == [4, 6]
    assert rarely.history == (every.history[3], every.history[5])
    assert at_the_end.last.loss == every.last.loss
    assert at_the_end.last.test_accuracy is None
    assert np.isnan(at_the_end.test_accuracy).all()


def test_it_stops_when_told() -> None:
    longer = Recipe(epochs=60, batch_size=32, optimizer=MOMENTUM)
    found = cut(longer, stop_when=fitted)
    assert found.train_accuracy[-1] == 1.0
    assert (found.train_accuracy[:-1] < 1).all()
    assert found.last.number < 60


def test_the_full_batch_is_neither_shuffled_nor_copied() -> None:
    seen: list[Examples] = []

    def objective(net: nn.Module, batch: Examples, step: int) -> Tensor:
        seen.append(batch)
        return F.cross_entropy(net(batch.x), batch.y)

    fit(linear(), digits(), recipe=Recipe(epochs=3, batch_size=200), seed=0, objective=objective)
    assert [batch.x.data_ptr() for batch in seen] == [digits().train.x.data_ptr()] * 3


def test_an_objective_gets_the_number_of_the_step_and_decides() -> None:
    steps: list[int] = []

    def objective(net: nn.Module, batch: Examples, step: int) -> Tensor:
        steps.append(step)
        return torch.stack([p.square().sum() for p in net.parameters()]).sum()

    found = cut(Recipe(epochs=2, batch_size=32, optimizer=OptimizerConfig(lr=0.1)), objective=objective)
    assert steps == list(range(8))
    for ours, start in zip(found.net.parameters(), tiny_net().parameters(), strict=True):
        torch.testing.assert_close(ours, start * 0.8**8)


def test_a_long_gradient_is_cut_to_the_norm() -> None:
    recipe = Recipe(epochs=1, batch_size=200, optimizer=OptimizerConfig(lr=1.0), clip=0.01)
    found = fit(linear(), digits(), recipe=recipe, seed=0)
    moves = [ours - start for ours, start in zip(found.net.parameters(), linear().parameters(), strict=True)]
    assert torch.cat([move.flatten() for move in moves]).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_whoever_listens_hears_every_step() -> None:
    heard: list[tuple[int, int]] = []
    cut(callback=lambda progress: heard.append((progress.done, progress.total)))
    assert heard[:5] == [(32, 606), (64, 606), (96, 606), (101, 606), (133, 606)]
    assert heard[-1] == (606, 606)


AUGMENTED = CropFlip(pad=2, flip=True, fill=(-0.4,))
RESUMED = {
    "SGD": Recipe(epochs=6, batch_size=32, optimizer=MOMENTUM, schedule=Cosine(), weight_decay=1e-3),
    "augmented": Recipe(epochs=6, batch_size=32, optimizer=MOMENTUM, augment=AUGMENTED),
    **{name: Recipe(epochs=6, batch_size=32, optimizer=OptimizerConfig(name=name, lr=0.005)) for name in OPTIMIZERS},
}


class Stopped(Exception):
    pass


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt])
def test_what_was_stopped_goes_on_to_the_same_bits(name: str, error: type[BaseException], tmp_path: Path) -> None:
    recipe, file = RESUMED[name], tmp_path / "kept.safetensors"
    heard: list[float] = []

    def until_the_fourth_epoch(progress: Progress) -> None:
        heard.append(progress.done)
        if progress.done > 3.5 * 101:
            raise error

    with pytest.raises(error):
        cut(recipe, checkpoint=file, checkpoint_every=2, callback=until_the_fourth_epoch)
    heard.clear()
    resumed = cut(recipe, checkpoint=file, checkpoint_every=2, callback=lambda progress: heard.append(progress.done))
    assert heard[0] == 2 * 101 + 32  # epochs 1 and 2 are not done again
    assert same(resumed, cut(recipe))


def test_what_is_finished_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    made = cut(checkpoint=file)
    heard: list[float] = []
    loaded = cut(checkpoint=file, callback=lambda progress: heard.append(progress.done))
    assert same(made, loaded)
    assert heard == []


def test_a_file_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    made = cut(checkpoint=file)
    (tmp_path / f".{file.name}.0123.part").write_bytes(b"half of it")
    assert same(cut(checkpoint=file), made)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    file.write_bytes(file.read_bytes()[:-100])
    assert same(cut(checkpoint=file), made)


def other_task() -> Task:
    train = Examples(digits().train.x, digits().train.y.flip(0))
    return Task(train=train, test=digits().test, num_classes=10, name="other", origin="digits")


def with_layer(number: int, layer: nn.Module) -> nn.Module:
    """The same numbers in another net."""
    net = tiny_net()
    net[number] = layer
    return net


def smoothed(net: nn.Module, batch: Examples, step: int, *, smoothing: float = 0.1) -> Tensor:
    return F.cross_entropy(net(batch.x), batch.y, label_smoothing=smoothing)


def by_hand(net: nn.Module, batch: Examples, step: int) -> Tensor:
    return F.cross_entropy(net(batch.x), batch.y)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"seed": 4}, "seed"),
        ({"net": tiny_net(1)}, "start"),
        ({"data": other_task()}, "task"),
        ({"recipe": Recipe(epochs=7)}, "recipe"),
        ({"objective": by_hand}, "objective"),
        ({"stop_when": fitted}, "stop_when"),
        ({"net": with_layer(2, nn.Tanh())}, "net"),
        ({"net": with_layer(3, nn.Dropout(0.9))}, "net"),
        ({"recipe": replace(RECIPE, optimizer=replace(MOMENTUM, options={"momentum": 0.5}))}, "recipe"),
    ],
)
def test_another_training_in_the_file_is_named(changes: dict[str, Any], word: str, tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    cut(checkpoint=file)
    with pytest.raises(OtherTraining, match=f"kept.safetensors holds another training: its {word} is "):
        fit(**{"net": tiny_net(), "data": digits(), "recipe": RECIPE, "seed": 3, "checkpoint": file, **changes})


@pytest.mark.parametrize(
    ("name", "kept", "asked"),
    [
        ("objective", smoothed, partial(smoothed, smoothing=0.9)),
        ("objective", partial(smoothed, smoothing=0.1), partial(smoothed, smoothing=0.9)),
        (
            "objective",
            lambda net, batch, step: net(batch.x).sum() * 0.1,
            lambda net, batch, step: net(batch.x).sum() * 0.9,
        ),
        ("stop_when", lambda epoch: epoch.loss < 0.1, lambda epoch: epoch.loss < 0.2),
    ],
)
@pytest.mark.parametrize("epochs", [1, 6])
def test_no_training_comes_back_by_another_function_of_the_same_name(
    name: str, kept: Any, asked: Any, epochs: int, tmp_path: Path
) -> None:
    """Neither one that is over nor one that is half done; the same function finds its own."""
    file = tmp_path / "kept.safetensors"

    def stop(progress: Progress) -> None:
        if progress.done > epochs * 101:
            raise Stopped

    with contextlib.suppress(Stopped):
        cut(checkpoint=file, checkpoint_every=1, callback=stop, **{name: kept})
    before = file.read_bytes()
    with pytest.raises(OtherTraining, match=rf"holds another training: its {name} is "):
        cut(checkpoint=file, **{name: asked})
    assert file.read_bytes() == before
    assert same(cut(checkpoint=file, **{name: kept}), cut(**{name: kept}))


def test_a_long_text_is_shown_where_it_differs(tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    cut(checkpoint=file)
    with pytest.raises(OtherTraining) as error:
        fit(with_layer(3, nn.Dropout(0.9)), digits(), recipe=RECIPE, seed=3, checkpoint=file)
    assert "p=0.1" in str(error.value)
    assert "p=0.9" in str(error.value)
    assert len(str(error.value)) < 700


def test_the_mode_that_a_net_comes_in_is_none_of_its_training(tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    made = cut(checkpoint=file)
    assert same(fit(tiny_net().eval(), digits(), recipe=RECIPE, seed=3, checkpoint=file), made)


def test_what_cannot_be_read_is_refused_only_where_it_is_to_be_kept(tmp_path: Path) -> None:
    lock = Lock()

    def locked(net: nn.Module, batch: Examples, step: int) -> Tensor:
        with lock:
            return F.cross_entropy(net(batch.x), batch.y)

    made, file = cut(objective=locked), tmp_path / "kept.safetensors"
    with pytest.raises(
        ValueError, match=r"^objective cannot be told from others for sure: objective > lock is a _thread\.lock"
    ):
        cut(objective=locked, checkpoint=file)
    assert not file.exists()
    locked.identity = "cross entropy, one thread at a time, v1"
    assert same(cut(objective=locked, checkpoint=file), made)
    assert same(cut(objective=locked, checkpoint=file), made)
    locked.identity = "cross entropy, one thread at a time, v2"
    with pytest.raises(OtherTraining, match=r"its objective is .*v1.*, and here it is .*v2"):
        cut(objective=locked, checkpoint=file)


def test_a_step_too_long_is_named() -> None:
    with pytest.raises(ValueError, match=r"the loss is \w+ in epoch \d: lower lr, now 1e\+30, or clip"):
        cut(Recipe(epochs=3, optimizer=OptimizerConfig(lr=1e30)))


def test_a_net_that_wants_plain_memory_gets_it() -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.linear = nn.Conv2d(1, 4, 3), nn.Linear(4 * 144, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.convolution(x).view(len(x), -1))

    found = fit(Viewed(), digits(), recipe=Recipe(epochs=2, batch_size=32, augment=AUGMENTED), seed=0)
    assert np.isfinite(found.loss).all()


def test_bfloat16_is_the_precision_inside_and_weights_stay_in_float32() -> None:
    seen: list[torch.dtype] = []

    def objective(net: nn.Module, batch: Examples, step: int) -> Tensor:
        logits = net(batch.x)
        seen.append(logits.dtype)
        return F.cross_entropy(logits, batch.y)

    rounded = cut(Recipe(epochs=2, batch_size=32, optimizer=MOMENTUM, precision="bfloat16"), objective=objective)
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in rounded.net.parameters())
    exact = cut(Recipe(epochs=2, batch_size=32, optimizer=MOMENTUM))
    assert rounded.last.loss == pytest.approx(exact.last.loss, rel=0.1)
    assert rounded.last.loss != exact.last.loss


def test_a_compiled_net_is_the_one_that_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def compiled(net: nn.Module) -> nn.Module:
        net.register_forward_pre_hook(lambda module, x: calls.append(len(x[0])) if module.training else None)
        return net

    monkeypatch.setattr(torch, "compile", compiled)
    cut(Recipe(epochs=1, batch_size=32, compiled=True))
    assert calls == [32, 32, 32, 5]


@pytest.mark.slow  # about a minute
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_compiling_changes_little_more_than_the_last_digits() -> None:
    recipe = Recipe(epochs=2, batch_size=25, optimizer=MOMENTUM)
    fast, plain = (
        fit(linear(), digits(), recipe=replace(recipe, compiled=compiled), seed=0) for compiled in (True, False)
    )
    assert type(fast.net) is type(plain.net)
    for ours, theirs in zip(fast.net.parameters(), plain.net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"evaluate_every": -1}, {"checkpoint_every": 0}])
def test_bad_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="evaluate_every must be at least 0 and checkpoint_every at least 1"):
        cut(**options)


def test_fitted_is_every_example() -> None:
    epochs: Sequence[Epoch] = [Epoch(number=1, steps=1, loss=0.1, train_accuracy=a) for a in (1.0, 0.99)]
    assert [fitted(epoch) for epoch in epochs] == [True, False]
