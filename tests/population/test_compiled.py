"""What the compiled kernel's engines say they can run, and that whoever asks them believes it."""

from functools import partial
from typing import cast, get_args

import numpy as np
import pytest
import torch
from torch import nn

from goodminima.nets import LeNet
from goodminima.population import Cube, Gaussian, Population, native
from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import LAYERS, StackEngine, unknown_layers
from goodminima.population.population import evaluator_of
from goodminima.population.stack import Layer, Pool, stack_of
from goodminima.search import guess_and_check, pattern_search, screening
from goodminima.search.objective import CompiledObjective, TorchObjective, objective_of
from goodminima.tasks import Examples, Task
from goodminima.train.blocks import trainer_of
from goodminima.train.sgd import SGDConfig
from goodminima.volume.splitting.splitting import BlockMoves, GibbsMoves, moves_for

native_only = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")

KERNEL = [engine for engine in StackEngine if engine is not StackEngine.BATCHED]
SHAPE = (1, 6, 6)


def small_net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2))


def small_task(n: int = 4) -> Task:
    x = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(0))
    examples = Examples(x, torch.arange(n) % 2)
    return Task(train=examples, test=examples, num_classes=2, name="small", origin="random numbers")


def test_every_layer_type_is_known_to_an_engine_and_every_engine_is_in_the_table() -> None:
    assert set(LAYERS) == set(StackEngine)
    assert set().union(*LAYERS.values()) == set(get_args(Layer))


def test_a_program_has_all_that_the_engines_ask() -> None:
    net = LeNet(width=0.5)
    program = CompiledNet.of(net, (1, 28, 28)).program
    assert program.num_parameters == sum(parameter.numel() for parameter in net.parameters())
    assert program.unit == 3.0
    assert [size for _, size in program.weights] == [p.numel() for p in net.parameters() if p.ndim > 1]
    assert len(program.layers) == len(list(net))


# ------------------------------------------------------------------------------------------------------------ reasons


@pytest.mark.parametrize("engine", KERNEL)
@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)])
def test_any_way_to_say_cpu_is_the_cpu(engine: StackEngine, device: str | torch.device) -> None:
    assert CompiledNet.of(small_net(), SHAPE).misfit(engine, device=device, prior=Cube()) == ""


@pytest.mark.parametrize("engine", KERNEL)
def test_what_does_not_fit_is_said(engine: StackEngine) -> None:
    compiled = CompiledNet.of(small_net(), SHAPE)
    bent = CompiledNet.of(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), (2,))
    assert bent.misfit(engine) == "Sequential is no stack of Linear, Conv2d, ReLU, pooling and Flatten"
    assert compiled.misfit(engine, device="meta") == "the compiled kernel runs on the CPU, not on meta"
    assert compiled.misfit(engine, dtype=torch.float64) == "the compiled kernel computes in float32, not in float64"
    needs_a_box = engine in (StackEngine.SCREENING, StackEngine.GIBBS)
    expected = "the prior must be a box, got Gaussian(std=1.0)" if needs_a_box else ""
    assert compiled.misfit(engine, prior=Gaussian()) == expected


@pytest.mark.parametrize("engine", KERNEL)
def test_a_missing_kernel_is_a_reason_too(engine: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "0")
    compiled = CompiledNet.of(small_net(), SHAPE)
    assert compiled.misfit(engine, prior=Cube()) == ""
    assert compiled.unsupported_reason(engine, prior=Cube()) == "GOODMINIMA_NATIVE=0 switches the compiled kernel off"
    assert not compiled.supports(engine, prior=Cube())


def test_a_net_without_a_program_is_refused_by_name() -> None:
    compiled = CompiledNet.of(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), (2,))
    with pytest.raises(ValueError, match="Sequential has no program"):
        compiled.logits(torch.zeros(1, 6), torch.zeros(1, 2))


# ----------------------------------------------------------------------------------- a layer that one engine does not know


@pytest.fixture(params=list(StackEngine))
def ignorant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StackEngine:
    """One engine forgets what a pool is."""
    monkeypatch.setitem(LAYERS, request.param, LAYERS[request.param] - {Pool})  # type: ignore[arg-type]
    return request.param


def test_only_the_engine_that_does_not_know_a_layer_says_so(ignorant: StackEngine) -> None:
    stack, compiled = stack_of(small_net()), CompiledNet.of(small_net(), SHAPE)
    assert stack is not None
    for engine in StackEngine:
        assert unknown_layers(engine, stack) == (("Pool",) if engine is ignorant else ())
    for engine in KERNEL:
        expected = f"the {engine} does not know Pool" if engine is ignorant else ""
        assert compiled.misfit(engine, prior=Cube()) == expected


@native_only
def test_the_next_best_engine_takes_over(ignorant: StackEngine) -> None:
    net, task = small_net(), small_task()
    theta = Cube().draw(net, seed=0, indices=np.arange(8, dtype=np.uint64))
    evaluator = evaluator_of(net, theta, SHAPE)
    whose = {calls: "CompiledNet" in repr(getattr(evaluator, calls)) for calls in ("logits", "gradient")}
    assert whose == {"logits": ignorant is not StackEngine.EVALUATION, "gradient": ignorant is not StackEngine.GRADIENT}
    objective = objective_of(net, task.train, theta[0])
    assert isinstance(objective, TorchObjective if ignorant is StackEngine.LOCAL_SEARCH else CompiledObjective)
    assert isinstance(moves_for(net, task, Cube()), BlockMoves if ignorant is StackEngine.GIBBS else GibbsMoves)
    trainer = repr(trainer_of(net, task.train, SGDConfig(lr=0.1, epochs=1, batch_size=2), 0))
    assert ("_TorchTrainer" in trainer) == (ignorant is StackEngine.TRAINING)


@native_only
def test_numbers_stay_with_the_next_best_engine(ignorant: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    net, task = small_net(), small_task()
    theta = Cube().draw(net, seed=0, indices=np.arange(8, dtype=np.uint64))

    def numbers() -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...], int]:
        evaluator = evaluator_of(net, theta, SHAPE)
        found = guess_and_check(net, task, num_solutions=3, budget=5000, seed=1)
        searched = pattern_search(net, task, seed=1)
        gradient = evaluator.gradient(theta, task.train.x, task.train.y)
        return Population(net, theta).logits(task.train.x), gradient, found.bins[0].indices, searched.candidates

    logits, gradient, indices, candidates = numbers()
    monkeypatch.undo()
    expected = numbers()
    torch.testing.assert_close(logits, expected[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradient, expected[1], rtol=1e-4, atol=1e-4)
    assert (indices, candidates) == expected[2:]


# ------------------------------------------------------------------- LeakyReLU, which PyTorch knows and the kernel does not


def leaky_net() -> nn.Sequential:
    return nn.Sequential(
        *(nn.LeakyReLU(0.3), nn.Conv2d(1, 2, 3), nn.LeakyReLU(0.1, inplace=True), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.LeakyReLU(), nn.Linear(8, 2)),
    )


def test_leaky_nets_are_the_nets_themselves(path: str) -> None:
    net, x, y = leaky_net(), torch.randn(5, *SHAPE, dtype=torch.float64), torch.arange(5) % 2
    theta = Cube().draw(net, seed=0, indices=np.arange(8, dtype=np.uint64)).double()
    evaluator, before = evaluator_of(net, theta, SHAPE), x.clone()
    members = [Population(net, theta).member(i) for i in range(len(theta))]
    expected = torch.stack([member(x.clone()) for member in members])
    for member in members:
        nn.functional.cross_entropy(member(x.clone()), y).backward()
    gradients = [torch.cat([p.grad.flatten() for p in member.parameters()]) for member in members]
    torch.testing.assert_close(Population(net, theta).logits(x), expected)
    torch.testing.assert_close(evaluator.gradient(theta, x, y), torch.stack(gradients))
    assert torch.equal(x, before)


@pytest.mark.parametrize("engine", KERNEL)
def test_the_kernel_says_that_it_does_not_know_leaky_relus(engine: StackEngine) -> None:
    compiled = CompiledNet.of(leaky_net(), SHAPE)
    assert compiled.stack is not None
    assert unknown_layers(StackEngine.BATCHED, compiled.stack) == ()
    assert compiled.misfit(engine, prior=Cube()) == f"the {engine} does not know LeakyReLU"
    assert not compiled.supports(engine, prior=Cube())
    with pytest.raises(ValueError, match="has no program"):
        compiled.logits(torch.zeros(1, 38), torch.zeros(1, *SHAPE))


def test_leaky_nets_run_in_batched_pytorch_and_search_and_walk_there(path: str) -> None:
    net, task = leaky_net(), small_task()
    theta = Cube().draw(net, seed=0, indices=np.arange(8, dtype=np.uint64))
    assert "batched" in cast(partial, evaluator_of(net, theta, SHAPE).logits).func.__module__
    assert isinstance(objective_of(net, task.train, theta[0]), TorchObjective)
    assert isinstance(moves_for(net, task, Cube()), BlockMoves)
    assert pattern_search(net, task, seed=1).accuracy == 1.0
    found = guess_and_check(net, task, budget=20_000, seed=1)
    assert found.population().accuracy(task.train.x, task.train.y).tolist() == [1.0]


# ------------------------------------------------------------------------------- devices that come as a torch.device


@native_only
def test_guesses_are_screened_in_the_kernel_on_a_torch_device_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise AssertionError("screened in PyTorch")

    monkeypatch.setattr(screening, "_batched_screen", slow)
    by_name = guess_and_check(small_net(), small_task(), budget=2000, device="cpu")
    by_device = guess_and_check(small_net(), small_task(), budget=2000, device=torch.device("cpu"))
    assert by_device.bins == by_name.bins
    assert by_device.device == by_name.device == "cpu"
    assert torch.equal(by_device.population().theta, by_name.population().theta)


@native_only
def test_members_walk_in_the_kernel_on_a_torch_device_too() -> None:
    assert isinstance(moves_for(small_net(), small_task(), Cube(), device=torch.device("cpu")), GibbsMoves)
