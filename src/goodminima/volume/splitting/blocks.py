"""The general moves: any net through its population, any function of a vector, and every prior there is."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt64
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.core.streams import derived_seed
from goodminima.population.parameters import num_parameters, slots
from goodminima.population.priors import AbstractPrior
from goodminima.tasks.task import Examples
from goodminima.volume.splitting.level import Level
from goodminima.volume.splitting.moves import AbstractMoves, TargetValues, Walked
from goodminima.volume.splitting.targets import AbstractTarget, FunctionTarget, NetTarget
from goodminima.volume.splitting.transitions import transition_of

_WANTED_ACCEPTANCE = (
    0.25  # near what is best for random walks in many dimensions (Gelman, Roberts and Gilks 1996: 0.234)
)
_LEAST_CHANGE = 0.1  # of a step, from one level to the next; it must keep up with sets that halve at every level
_JITTER = (
    1.0  # strengths of single proposals differ by up to e^1, for what is narrow in one direction may be wide in others
)


@final
@dataclass(frozen=True, slots=True)
class Block:
    """Parameters that move together, a module's own or all: every one of them, or a random share at a time."""

    name: str
    columns: slice
    in_part: bool = False

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return self.columns.stop - self.columns.start


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class BlockMoves(AbstractMoves):
    """Metropolis steps block by block, of all parameters in a block and of some of them in turn.

    Some: a random share f, log-uniform between one parameter and all, moves by a step b with f b^2 fixed. What a smooth
    constraint refuses depends on f b^2 alone, but constraints on single parameters refuse the less the fewer of them move.
    All: in a set that is narrow in some direction only these steps come to be as small as it takes, for some that move
    along wide directions would be accepted whatever their size. Both follow their own acceptance at the level before.

    Args:
        target: How members are values.
        net: What the prior asks for shapes: the net, or a stand-in with as many parameters.
        prior: A box, a Gaussian or a sphere.
        blocks: What moves together.
        strengths: Mean squared step of each block, 0 to 1; 1 is a fresh draw.
        proposals: Proposals of either kind a block and sweep.
        threads: Groups of particles that walk at once.
        like: An empty tensor of the dtype and device of theta.

    Raises:
        ValueError: If `proposals` or `threads` is below 1.
    """

    target: AbstractTarget
    net: nn.Module
    prior: AbstractPrior
    blocks: tuple[Block, ...]
    strengths: tuple[float, ...]
    proposals: int
    threads: int
    like: Tensor

    @classmethod
    def of_net(
        cls,
        net: nn.Module,
        examples: Examples,
        prior: AbstractPrior,
        *,
        proposals: int = 5,
        threads: int = 1,
        device: str | torch.device = "cpu",
    ) -> "BlockMoves":
        """Moves for any module. A module within it that has parameters of its own is a block; on a sphere all are one.

        Args:
            net: Any module.
            examples: What it is to fit.
            prior: A box, a Gaussian or a sphere.
            proposals: Proposals of either kind a block and sweep.
            threads: Groups of particles that walk at once; they change no number.
            device: Where members are evaluated.

        Returns:
            The moves for the first level.

        Raises:
            ValueError: For another prior.
        """
        whole = (Block("all", slice(0, num_parameters(net))),)
        blocks = _both_ways(whole if transition_of(prior, net).whole else blocks_of(net))
        return cls(
            target=NetTarget.of(net, examples.to(device)),
            net=net,
            prior=prior,
            blocks=blocks,
            strengths=(1.0,) * len(blocks),
            proposals=proposals,
            threads=threads,
            like=torch.empty(0, device=device),
        )

    @classmethod
    def of_function(
        cls,
        margins: Callable[[Float[Tensor, "P D"]], Float[Tensor, "P n"]],
        dimension: int,
        prior: AbstractPrior,
        *,
        losses: Callable[[Float[Tensor, "P D"]], Float[Tensor, "P"]] | None = None,
        proposals: int = 5,
        threads: int = 1,
    ) -> "BlockMoves":
        """Moves for {theta : all margins(theta) > 0}, in float64; one block.

        Args:
            margins: (P, D) -> (P, n).
            dimension: D.
            prior: A box, a Gaussian or a sphere.
            losses: (P, D) -> (P,), or None where no loss is asked for.
            proposals: Proposals of either kind a block and sweep.
            threads: Groups of particles that walk at once; they change no number.

        Returns:
            The moves for the first level.
        """

        like, blocks = torch.empty(0, dtype=torch.float64), _both_ways((Block("all", slice(0, dimension)),))
        return cls(
            target=FunctionTarget(margins, margins(like.new_zeros(1, dimension)).shape[1], losses),
            net=nn.ParameterList([torch.zeros(dimension)]),
            prior=prior,
            blocks=blocks,
            strengths=(1.0,) * len(blocks),
            proposals=proposals,
            threads=threads,
            like=like,
        )

    def __post_init__(self) -> None:
        for name, value in (("proposals", self.proposals), ("threads", self.threads)):
            if value < 1:
                raise ValueError(f"BlockMoves.{name} must be at least 1, got {value}")
        transition_of(self.prior, self.net)  # raises for a prior that it does not know

    @property
    def num_examples(self) -> int:
        return self.target.num_examples

    def draw(self, *, seed: int, indices: UInt64[np.ndarray, "P"]) -> Float[Tensor, "P D"]:
        return self.prior.draw(self.net, seed=seed, indices=indices).to(self.like)

    def evaluate(self, theta: Float[Tensor, "P D"]) -> TargetValues:
        values = self.target.evaluate(theta)
        return TargetValues(values.margins.cpu(), values.losses.double().cpu())

    def walk(
        self, theta: Float[Tensor, "P D"], level: Level, *, seed: int, streams: UInt64[np.ndarray, "P"], sweeps: int
    ) -> Walked:
        rounds = sweeps * self.proposals
        size = -(-len(theta) // self.threads)
        groups = list(zip(theta.split(size), np.split(streams, range(size, len(streams), size)), strict=True))
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(pool.map(lambda group: self._walk(*group, level=level, seed=seed, rounds=rounds), groups))
        accepted = {block.name: sum(part[1][which] for part in parts) for which, block in enumerate(self.blocks)}
        tried = dict.fromkeys(accepted, rounds * len(theta))
        ended = torch.cat([part[0] for part in parts])
        return Walked(ended, tried, accepted, float(sum(tried.values()) * _asked(level)))

    def _walk(
        self, theta: Tensor, streams: UInt64[np.ndarray, "P"], *, level: Level, seed: int, rounds: int
    ) -> tuple[Tensor, list[int]]:
        kernel, accepted = transition_of(self.prior, self.net), [0] * len(self.blocks)
        theta = theta.clone()
        for number in range(rounds):
            for which, (block, strength) in enumerate(zip(self.blocks, self.strengths, strict=True)):
                chosen, step = _shares(block, strength, derived_seed(seed, number, which, 0), streams)
                before = theta[:, block.columns].clone()
                theta[:, block.columns] = kernel(
                    before,
                    block.columns,
                    chosen=chosen.to(theta.device),
                    step=step.to(theta),
                    seed=derived_seed(seed, number, which, 1),
                    streams=streams,
                )
                refused = ~self._inside(theta, level)
                theta[refused, block.columns] = before[refused]
                accepted[which] += len(theta) - int(refused.sum())
        return theta, accepted

    def _inside(self, theta: Tensor, level: Level) -> Bool[Tensor, "P"]:
        """Whether members are in a level, looking at no more examples than it asks for."""
        if level.asks_for_loss:
            values = self.target.evaluate(theta)
            return level.holds(values.margins, values.losses)
        asked = (level.margin_above > -math.inf).nonzero().squeeze(1)
        return (self.target.margins_of(theta, asked) > level.margin_above[asked].to(theta.device)).all(dim=1)

    def adapted(self, walked: Walked) -> "BlockMoves":
        rates = [walked.accepted[block.name] / walked.tried[block.name] for block in self.blocks]
        changes = [min(max(rate / _WANTED_ACCEPTANCE, _LEAST_CHANGE), 1 / _WANTED_ACCEPTANCE) for rate in rates]
        strengths = zip(self.strengths, changes, strict=True)
        return replace(self, strengths=tuple(min(1.0, old * by**2) for old, by in strengths))


def _shares(
    block: Block, strength: float, seed: int, streams: UInt64[np.ndarray, "P"]
) -> tuple[Bool[Tensor, "P m"], Float[Tensor, "P 1"]]:
    """Which parameters of a block every member moves, and how far: functions of the member's stream alone."""
    chance = generator.uniform(seed, streams, 2 + block.size)
    share = np.ones((len(streams), 1), np.float32)
    if block.in_part:
        share = block.size ** (-0.5 - 0.5 * chance[:, :1])  # log-uniform in [1 / size, 1]
    chosen = chance[:, 2:] < 2 * share - 1
    chosen[np.arange(len(chosen)), chance[:, 2:].argmin(axis=1)] = True  # nothing moved is an evaluation lost
    step = np.minimum(1.0, np.sqrt(strength / share) * np.exp(_JITTER * chance[:, 1:2]))
    return torch.from_numpy(chosen), torch.from_numpy(step)


def blocks_of(net: nn.Module) -> tuple[Block, ...]:
    """A block for every module with parameters of its own: `conv1`, `fc1`, or the class's name with a number.

    Args:
        net: Any module with parameters.

    Returns:
        The blocks, which cover theta in order.

    >>> [block.name for block in blocks_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)))]
    ['fc1', 'fc2']
    """
    found: list[Block] = []
    owners: list[str] = []
    counts: dict[str, int] = {}
    for slot in slots(net):
        owner = slot.name.rpartition(".")[0]
        if owners and owners[-1] == owner:
            found[-1] = replace(found[-1], columns=slice(found[-1].columns.start, slot.stop))
            continue
        kind = _kind(net.get_submodule(owner))
        counts[kind] = counts.get(kind, 0) + 1
        owners.append(owner)
        found.append(Block(f"{kind}{counts[kind]}", slice(slot.start, slot.stop)))
    return tuple(found)


def _both_ways(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Every block as a whole and, where it has more than one parameter, in part."""
    parts = (Block(f"{block.name} in part", block.columns, in_part=True) for block in blocks if block.size > 1)
    return (*blocks, *parts)


def _kind(module: nn.Module) -> str:
    match module:
        case nn.Linear():
            return "fc"
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return "conv"
        case _:
            return type(module).__name__.lower()


def _asked(level: Level) -> int:
    """Examples that a look at a level takes."""
    return len(level.margin_above) if level.asks_for_loss else int((level.margin_above > -math.inf).sum())
