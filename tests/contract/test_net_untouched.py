"""A user's net is never touched: no verb changes it or PyTorch's global state, on any path, after any error."""

import copy
import inspect
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from net_zoo import IN_SHAPE, NETS, NOISY
from torch import Tensor, nn
from verbs import CALLBACK, NO_VERBS, TASK, VERBS, Verb

import goodminima as gm


def _of_tensor(tensor: Tensor | None) -> Any:
    """Which tensor it is, how often it was written to, and what it holds; in a form that == compares."""
    if tensor is None:
        return None
    grad = _of_tensor(tensor.grad) if tensor.is_leaf else None
    kind = (id(tensor), tensor._version, tensor.dtype, str(tensor.device), tuple(tensor.stride()), tensor.requires_grad)
    return (kind, tensor.detach().clone().tolist(), grad)


def _of_value(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, nn.Module):
        return id(value)
    if isinstance(value, dict):  # parameters, buffers, children, all hooks
        return {key: _of_value(each) for key, each in value.items()}
    return id(value) if callable(value) else repr(value)


def state_of(net: nn.Module) -> Any:
    """All there is to a net: classes, modes, settings, hooks, parameters with their gradients, buffers."""
    return {
        name: (type(module), {key: _of_value(value) for key, value in vars(module).items()})
        for name, module in net.named_modules()
    }


def global_state() -> Any:
    """What a whole process shares."""
    kind, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (kind, np.asarray(keys).tobytes(), rest),
        "python": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "threads": torch.get_num_threads(),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
        "autocast": torch.is_autocast_enabled("cpu"),
        "shapes checked": not jaxtyping.config.jaxtyping_disable,
    }


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Fails where the `with` has changed the net or what the process shares, whether or not it raises."""
    before, around = state_of(net), global_state()
    try:
        yield
    finally:
        assert state_of(net) == before
        assert global_state() == around


class Broken(Exception):
    """What a net of the user's raises."""


class Fuse(nn.Module):
    """Breaks the forward pass number `left` of all copies together."""

    left, lock = 0, Lock()

    def forward(self, x: Tensor) -> Tensor:
        with Fuse.lock:
            Fuse.left -= 1
            if Fuse.left == 0:
                raise Broken
        return x


@pytest.fixture(autouse=True)
def _shapes_unchecked() -> Iterator[None]:
    """The checker of shapes, which is no part of the library, looks at items that it draws from Python's random numbers."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(params=NETS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> Verb:
    return VERBS[request.param]


def _options_of(verb: Verb) -> list[dict[str, Any]]:
    return [{"threads": 1}, {"threads": 2}] if verb.takes_threads else [{}]


def test_a_success_leaves_the_net_as_it_was(verb: Verb, kind: str) -> None:
    net = NETS[kind]()
    for options in _options_of(verb):
        with untouched(net):
            if kind in verb.refuses:
                with pytest.raises((ValueError, RuntimeError), match=r".+"):
                    verb.call(net, **options)
            else:
                verb.call(net, **options)


def test_an_error_half_way_leaves_the_net_as_it_was(verb: Verb, kind: str) -> None:
    net = nn.Sequential(NETS[kind](), Fuse()).train(NETS[kind]().training)
    for options in _options_of(verb):
        for number in (1, 2, 3):
            Fuse.left, outcome = number, "done"
            with untouched(net):
                try:
                    verb.call(net, **options)
                except Broken:
                    outcome = "broken"
                except (ValueError, RuntimeError):
                    outcome = "refused"
            assert (outcome == "refused") <= (kind in verb.refuses)
            assert (outcome == "done") == (Fuse.left > 0 and kind not in verb.refuses), (
                "an error of the net was swallowed"
            )
            assert number > 1 or outcome != "done" or not verb.calls_net


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if verb.takes_callback])
def test_an_interrupt_leaves_the_net_as_it_was(name: str, kind: str) -> None:
    verb, net, heard = VERBS[name], NETS[kind](), []

    def interrupt(*progress: Any) -> None:
        heard.append(progress)
        raise KeyboardInterrupt

    if kind not in verb.refuses:
        for options in _options_of(verb):
            with untouched(net), pytest.raises(KeyboardInterrupt):
                verb.call(net, **options, **{CALLBACK: interrupt})
            assert heard


def test_what_a_net_draws_leaves_global_random_numbers_as_they_were(verb: Verb) -> None:
    """Such a net is evaluated, or refused by PyTorch, which does not batch random numbers."""
    net = NOISY()
    for options in _options_of(verb):
        with untouched(net):
            try:
                verb.call(net, **options)
            except RuntimeError as error:
                assert "random" in str(error)  # noqa: PT017  # either outcome is right
            except ValueError:
                assert verb in (VERBS["path_norm"],)


def test_every_verb_is_in_the_table() -> None:
    taking = set()
    for name in gm.__all__:
        if callable(each := getattr(gm, name)) and each is not gm.DataError:
            first = next(iter(inspect.signature(each).parameters), None)
            taking |= {name} if first == "net" else set()
    assert taking - set(VERBS) == set(NO_VERBS)


def _count(net: nn.Module, threads: int) -> tuple[int, tuple[int, ...]]:
    found = gm.guess_and_check(net, TASK, num_solutions=math.inf, budget=1500, chunk=100, threads=threads, seed=1)
    return found.bins[0].hits, found.bins[0].indices


def test_two_threads_count_what_one_counts_each_time() -> None:
    net = NETS["GELU"]()
    alone = _count(net, threads=1)
    assert alone[0] > 0
    for _ in range(20):
        assert _count(net, threads=2) == alone


@pytest.mark.parametrize("search", [gm.pattern_search, gm.random_greedy])
def test_threads_change_no_search(search: Any) -> None:
    net, until = NETS["GELU"](), gm.Until(fitted=False, candidates=300)
    alone, *others = (search(net, TASK, until=until, threads=threads) for threads in (1, 2, 3))
    for other in others:
        assert torch.equal(alone.theta, other.theta)
        assert (alone.loss, alone.steps, alone.candidates) == (other.loss, other.steps, other.candidates)


def test_threads_change_no_volume() -> None:
    net = NETS["GELU"]()
    options = {"particles": 32, "sweeps": 1, "repeats": 1, "min_log_volume": -4.0}
    alone, *others = (gm.split_volume(net, TASK, threads=threads, **options) for threads in (1, 2, 3))
    for other in others:
        assert [step.log_volume for step in alone.runs[0].steps] == [step.log_volume for step in other.runs[0].steps]
        assert torch.equal(alone.theta(), other.theta())


def test_a_net_that_cannot_be_copied_is_refused_in_one_line(verb: Verb) -> None:
    net = NETS["GELU"]()
    setattr(net, "lock", Lock())  # noqa: B010 - what modules hold is typed
    for options in _options_of(verb) if verb.calls_net else ():
        with untouched(net), pytest.raises(ValueError, match=r"^\w+ cannot be copied, and a net is .*__deepcopy__$"):
            verb.call(net, **options)


def test_a_population_stays_what_it_was_when_it_was_first_evaluated() -> None:
    net, x = NETS["conv"](), torch.linspace(-1, 1, 72).view(2, *IN_SHAPE)
    population = gm.Population(net, gm.parameters_of(net)[None])
    said = population.logits(x)
    net[1].running_mean.add_(1.0)
    assert torch.equal(population.logits(x), said)
    assert not torch.equal(gm.Population(copy.deepcopy(net), population.theta).logits(x), said)
