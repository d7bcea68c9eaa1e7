"""The two local searches as their rules read, one candidate at a time, in float64: the twins of the fast paths."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.search import GreedyRule, PatternRule
from goodminima.tasks import Examples

_GOLDEN, _ALL = 0x9E3779B97F4A7C15, 2**64 - 1


class NaiveLoss:
    """Mean cross entropy of the logits over the product of the weights' norms, in float64."""

    def __init__(self, net: nn.Module, examples: Examples) -> None:
        self.member, self.x, self.y = copy.deepcopy(net).double(), examples.x.double(), examples.y
        self.unit = getattr(net, "norm_unit", 1.0)

    @torch.no_grad()
    def __call__(self, theta: Tensor) -> float:
        nn.utils.vector_to_parameters(theta.double(), self.member.parameters())
        norms = [p.norm() / self.unit for p in self.member.parameters() if p.ndim > 1]
        return F.cross_entropy(self.member(self.x) / torch.stack(norms).prod(), self.y).item()


def words(seed: int, index: int) -> Iterator[int]:
    """Stream `index` of `seed`: xoshiro128+ started by splitmix64, in plain integers."""

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _ALL
        return z ^ (z >> 31)

    base = mix((seed + _GOLDEN) & _ALL)
    first, second = (mix((base + (2 * index + i) * _GOLDEN) & _ALL) for i in (1, 2))
    low = 2**32 - 1
    a, b, c, d = first & low, first >> 32, second & low, second >> 32
    while True:
        yield (a + d) & low
        t = (b << 9) & low
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        d = ((d << 11) | (d >> 21)) & low


def below(stream: Iterator[int], bound: int) -> int:
    """A whole number below `bound`, of two words."""
    return (((next(stream) << 32) | next(stream)) * bound) >> 64


class NaivePatternSearch:
    """Section 4.1.2: proposes candidates; `told` says what became of each group, and the order and radius follow."""

    def __init__(self, theta: Tensor, rule: PatternRule, *, seed: int, stream: int) -> None:
        self.theta, self.rule, self.radius = theta.clone(), rule, rule.radius
        self.stream, self.order = words(seed, stream), list(range(2 * len(theta)))
        self.position = self.failures = self.halvings = 0
        self.patience = rule.patience or len(self.order)

    def group(self) -> list[Tensor]:
        candidates = []
        for _ in range(min(self.rule.best_of, self.patience - self.failures)):
            i = self.position
            j = i + below(self.stream, len(self.order) - i)
            self.order[i], self.order[j] = self.order[j], self.order[i]
            self.position = (i + 1) % len(self.order)
            candidate = self.theta.clone()
            candidate[self.order[i] // 2] += self.radius if self.order[i] % 2 == 0 else -self.radius
            candidates.append(candidate)
        return candidates

    def told(self, accepted: Tensor | None, tried: int) -> None:
        if accepted is not None:
            self.theta, self.failures = accepted, 0
            self.position = self.position if self.rule.proceed else 0
            return
        self.failures += tried
        if self.failures == self.patience:
            self.radius, self.failures, self.position, self.halvings = self.radius / 2, 0, 0, self.halvings + 1


class NaiveRandomGreedy:
    """Section 4.1.2: all parameters get Gaussian noise; after `patience` failures in a row sigma is halved."""

    def __init__(self, theta: Tensor, rule: GreedyRule, *, seed: int) -> None:
        self.theta, self.rule, self.radius, self.seed = theta.clone(), rule, rule.sigma, seed
        self.candidate = self.failures = self.halvings = 0

    def group(self) -> list[Tensor]:
        candidates = []
        for _ in range(min(self.rule.best_of, self.rule.patience - self.failures)):
            noise = generator.normal(self.seed, np.array([self.candidate], np.uint64), len(self.theta))[0]
            candidates.append(self.theta + torch.from_numpy(np.float32(self.radius) * noise))
            self.candidate += 1
        return candidates

    def told(self, accepted: Tensor | None, tried: int) -> None:
        if accepted is not None:
            self.theta, self.failures = accepted, 0
            return
        self.failures += tried
        if self.failures == self.rule.patience:
            self.radius, self.failures, self.halvings = self.radius / 2, 0, self.halvings + 1
