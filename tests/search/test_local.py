"""The common step of local searches: it changes none of its inputs, and how wide it looks ahead decides nothing."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodminima.core.order import Order
from goodminima.nets import MLP
from goodminima.population import Cube
from goodminima.search import local
from goodminima.search.greedy import NoisePerturbations
from goodminima.search.local import AbstractPerturbations, SearchState, init, step
from goodminima.search.objective import AbstractObjective, TorchObjective, objective_of
from goodminima.search.pattern import PatternPerturbations
from goodminima.search.starts import drawn_start
from goodminima.tasks import Examples

NET = MLP(in_features=3, hidden=(4,), num_classes=3)
EXAMPLES = Examples(torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 3)
THETA = drawn_start(NET, Cube(1.0), seed=0, member=0, device="cpu")
OBJECTIVES = {"fastest": objective_of(NET, EXAMPLES, THETA), "torch": TorchObjective.of(NET, EXAMPLES, THETA)}
MOVES = {
    "pattern": PatternPerturbations(Order.begin(2 * len(THETA), seed=1, stream=0), proceed=False),
    "proceeding": PatternPerturbations(Order.begin(2 * len(THETA), seed=1, stream=0), proceed=True),
    "noise": NoisePerturbations(patience=11, seed=1),
}


@pytest.fixture(params=OBJECTIVES.values(), ids=[*OBJECTIVES])
def objective(request: pytest.FixtureRequest) -> AbstractObjective:
    return request.param


@pytest.fixture(params=MOVES.values(), ids=[*MOVES])
def moves(request: pytest.FixtureRequest) -> AbstractPerturbations:
    return request.param


def _numbers(state: SearchState) -> tuple:
    counts = (state.failures, state.candidates, state.steps, state.num_halvings)
    return (*state.theta.tolist(), state.loss, state.num_correct, state.radius, *counts, *state.moves.names(9).tolist())


def _after(
    objective: AbstractObjective, state: SearchState, candidates: int, widths: list[int], best_of: int = 1
) -> SearchState:
    """The state after so many candidates, looked at by turns as far ahead as `widths` say."""
    turn = 0
    while state.candidates < candidates:
        width = min(widths[turn % len(widths)], candidates - state.candidates)
        state, _ = step(objective, state, best_of=best_of, width=width)
        turn += 1
    return state


@pytest.mark.parametrize("best_of", [1, 5])
def test_a_step_changes_none_of_its_inputs(objective, moves, best_of: int) -> None:
    state = init(objective, THETA, moves, 0.5)
    for _ in range(60):
        before, moves_before = _numbers(state), copy.deepcopy(state.moves)
        following, info = step(objective, state, best_of=best_of, width=2)
        assert _numbers(state) == before
        assert state.moves.names(20).tolist() == moves_before.names(20).tolist()
        assert info.tried == following.candidates - state.candidates
        assert info.accepted == (following.loss < state.loss) == (following.steps > state.steps)
        assert info.accepted != torch.equal(following.theta, state.theta)
        state = following
    assert 0 < state.steps < 60


@settings(max_examples=4)
@given(widths=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_how_far_it_looks_ahead_decides_nothing(widths: list[int]) -> None:
    for objective in OBJECTIVES.values():
        for moves in MOVES.values():
            state = init(objective, THETA, moves, 0.5)
            expected = _numbers(_after(objective, state, 60, [1]))
            assert _numbers(_after(objective, state, 60, widths)) == expected


def test_how_many_candidates_memory_holds_decides_nothing(objective, moves, monkeypatch) -> None:
    state = init(objective, THETA, moves, 0.5)
    expected = [_numbers(_after(objective, state, 60, [16], best_of=best_of)) for best_of in (1, 10)]
    monkeypatch.setattr(local, "_MATRIX_NUMBERS", 3 * len(THETA))
    assert [_numbers(_after(objective, state, 60, [16], best_of=best_of)) for best_of in (1, 10)] == expected


def test_noise_is_the_draws_of_the_seed_in_any_portions() -> None:
    moves, theta = NoisePerturbations(patience=100, seed=3), torch.zeros(70)
    together = moves.applied(theta, 1.0, moves.names(50))
    for start, stop in ((0, 1), (15, 17), (16, 32), (3, 50)):
        part = moves.after(start, accepted=False, halved=False)
        assert torch.equal(part.applied(theta, 1.0, part.names(stop - start)), together[start:stop])
    assert torch.equal(moves.applied(theta, 0.5, moves.names(50)), together / 2)
