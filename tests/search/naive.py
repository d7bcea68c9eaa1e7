"""The two local searches as their rules read, one candidate at a time, in float64: the twins of the fast paths."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.search import GreedyRule, PatternRule
from goodminima.tasks import Examples
from plain_generator import below, words


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
