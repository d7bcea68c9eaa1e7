"""Recipes say what is wrong with them, have one text, and build what they name."""

import math
from typing import Any

import pytest
import torch
from torch import nn, optim

from goodminima.train.recipe import OPTIMIZERS, Constant, Cosine, CropFlip, MultiStep, OptimizerConfig, Recipe

KINDS = {
    "SGD": optim.SGD,
    "Nesterov": optim.SGD,
    "Adam": optim.Adam,
    "AMSGrad": optim.Adam,
    "Adamax": optim.Adamax,
    "Adadelta": optim.Adadelta,
    "Adagrad": optim.Adagrad,
    "ASGD": optim.ASGD,
    "RMSprop": optim.RMSprop,
}


@pytest.mark.parametrize("name", KINDS)
def test_names_build_the_optimizers_of_torch(name: str) -> None:
    built = OptimizerConfig(name=name, lr=0.02).build(nn.Linear(2, 2), weight_decay=0.3)
    (group,) = built.param_groups
    assert type(built) is KINDS[name]
    assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.02, 0.3, 2)
    assert (group.get("nesterov", False), group.get("amsgrad", False)) == (name == "Nesterov", name == "AMSGrad")
    assert name in OPTIMIZERS


def test_options_go_before_what_a_name_brings_along() -> None:
    built = OptimizerConfig(name="Nesterov", options={"momentum": 0.5, "fused": False}).build(nn.Linear(2, 2))
    assert built.param_groups[0]["momentum"] == 0.5
    assert not built.param_groups[0]["fused"]


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("Adadelta", "Adagrad")])
def test_fused_steps_are_the_plain_ones(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    plain = {"Nesterov": {"momentum": 0.9, "nesterov": True}, "AMSGrad": {"amsgrad": True}}.get(name, {})
    optimizers = (
        OptimizerConfig(name=name, lr=0.01).build(ours, weight_decay=0.1),
        KINDS[name](theirs.parameters(), lr=0.01, weight_decay=0.1, **plain),
    )
    for _ in range(20):
        x = torch.randn(7, 5)
        for net, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)


def test_a_recipe_has_one_text_whatever_the_order_of_its_options() -> None:
    one = OptimizerConfig(options={"momentum": 0.9, "dampening": 0.1})
    assert repr(one) == repr(OptimizerConfig(options={"dampening": 0.1, "momentum": 0.9}))
    assert repr(Recipe(epochs=1, schedule=Constant())) != repr(Recipe(epochs=1, schedule=Cosine()))


def test_schedules() -> None:
    done = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [Constant().multiplier(each, epochs=3) for each in done] == [1.0] * 5
    assert [Cosine().multiplier(each, epochs=3) for each in done] == pytest.approx(
        [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]
    )
    assert [MultiStep(at=(0.5, 0.75), factor=0.5).multiplier(each, epochs=3) for each in done] == [
        1,
        1,
        0.5,
        0.25,
        0.25,
    ]


@pytest.mark.parametrize(("epochs", "per_epoch"), [(350, 391), (300, 703), (7, 3)])
def test_epochs_of_a_schedule_begin_at_their_first_step(epochs: int, per_epoch: int) -> None:
    for moment in range(1, epochs, max(1, epochs // 20)):
        schedule, steps = MultiStep(at=(moment,)), epochs * per_epoch
        around = (moment * per_epoch - 1, moment * per_epoch)
        assert [schedule.multiplier(step / steps, epochs=epochs) for step in around] == [1.0, 0.1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptimizerConfig(name="Adm"), "'Adm': choose from .* the nearest is 'Adam'"),
        (lambda: OptimizerConfig(lr=0.0), "lr must be positive and finite, got 0.0"),
        (
            lambda: OptimizerConfig(options={"momntum": 0.9}).build(nn.Linear(1, 1)),
            "unexpected keyword argument 'momntum'",
        ),
        (lambda: OptimizerConfig(options={"momentum": -1.0}).build(nn.Linear(1, 1)), "Invalid momentum value: -1.0"),
        (lambda: MultiStep(at=()), "MultiStep.at must be increasing"),
        (lambda: MultiStep(at=(0.8, 0.5)), "MultiStep.at must be increasing"),
        (lambda: MultiStep(at=(0.5, 3)), "MultiStep.at must be increasing"),
        (lambda: MultiStep(factor=0.0), "MultiStep.factor must be positive, got 0.0"),
        (lambda: CropFlip(pad=-1), "pad must be at least 0, got -1"),
        (lambda: Recipe(epochs=0), "at least 1, got 0 and 128"),
        (lambda: Recipe(epochs=1, batch_size=0), "at least 1, got 1 and 0"),
        (lambda: Recipe(epochs=1, weight_decay=-1.0), "weight_decay must be at least 0, got -1.0"),
        (lambda: Recipe(epochs=1, clip=0.0), "clip must be positive, or None for no limit, got 0.0"),
        (lambda: Recipe(epochs=1, precision="float16"), "the nearest is 'bfloat16'"),
        (lambda: Recipe(epochs=100, schedule=MultiStep(at=(50, 150))), "moments that 100 epochs do not reach"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
