"""Global random numbers are left as they were, on every way out, and seeded as PyTorch seeds them."""

import pytest
import torch

from goodminima.core.isolation import isolated_rng


def _drawn_after(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.rand(3)


def test_what_is_drawn_inside_is_not_missing_outside() -> None:
    with torch.random.fork_rng():
        expected = _drawn_after(7)
        torch.manual_seed(7)
        with isolated_rng(3):
            inside = torch.rand(3)
        assert torch.equal(torch.rand(3), expected)
        assert torch.equal(inside, _drawn_after(3))


def test_without_a_seed_numbers_go_on_and_come_again() -> None:
    with torch.random.fork_rng():
        expected = _drawn_after(7)
        torch.manual_seed(7)
        with isolated_rng():
            assert torch.equal(torch.rand(3), expected)
        assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_and_decorated_functions_leave_no_trace(error: type[BaseException]) -> None:
    @isolated_rng(1)
    def draw() -> None:
        torch.rand(3)
        raise error

    before = torch.get_rng_state()
    for _ in range(2):
        with pytest.raises(error):
            draw()
    assert torch.equal(torch.get_rng_state(), before)


def test_gpus_that_sleep_are_not_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.manual_seed` leaves a note that seeds them when they wake up."""
    noted: list[object] = []
    monkeypatch.setattr(torch.cuda.random, "_lazy_call", lambda *args, **options: noted.append(args))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
    assert noted
    noted.clear()
    with isolated_rng(0):
        torch.rand(1)
    assert not noted


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_numbers_of_gpus_are_left_as_they_were() -> None:
    before = torch.cuda.get_rng_state()
    with isolated_rng(0, device="cuda"):
        torch.rand(3, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
