"""Every public verb that takes a net, and how the contract tests call it: joining them is one row here."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from net_zoo import CLASSES, IN_SHAPE
from torch import Tensor, nn

import goodminima as gm

CALLBACK = "callback"  # the argument that takes one


@final
@dataclass(frozen=True, kw_only=True)
class Verb:
    """How a verb is called.

    Args:
        call: (a net of `NETS`, `threads` and a callback as keywords, where it takes them) -> what the verb gives.
        refuses: Nets that it refuses, by design or because PyTorch cannot differentiate them so.
        takes_callback: Whether somebody can be told how far it is.
        takes_threads: Whether it has threads.
        calls_net: Whether it ever calls the net.
    """

    call: Callable[..., Any]
    refuses: frozenset[str] = frozenset()
    takes_callback: bool = False
    takes_threads: bool = False
    calls_net: bool = True


class OfPoints(nn.Module):
    """A net of images, as one of points of the plane."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        image = x[:, :1] * torch.linspace(-1, 1, math.prod(IN_SHAPE)) + x[:, 1:]
        return self.net(image.view(-1, *IN_SHAPE))


def _members(net: nn.Module) -> Tensor:
    """(3, D), all different."""
    theta = gm.parameters_of(net)
    return torch.stack([theta, theta * 0.5, theta + 0.1])


def _all_of(population: gm.Population) -> None:
    population.logits(BATCH.x)
    population.loss(BATCH.x, BATCH.y, normalised=True)
    population.accuracy(BATCH.x, BATCH.y)
    population.margin(BATCH.x, BATCH.y)
    population[1:].norm_product()


def _differentiated(net: nn.Module) -> None:
    theta = _members(net).requires_grad_()
    gm.Population(net, theta).loss(BATCH.x, BATCH.y).sum().backward()


def _spoiled(net: nn.Module) -> None:
    """Whoever gets a net may do with it what he likes."""
    net.train()
    net.register_forward_hook(lambda module, x, y: None)
    with torch.random.fork_rng(devices=[]):
        net(BATCH.x).sum().backward()
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.zero_()


def _in_the_plane(net: nn.Module) -> gm.Population:
    return gm.Population(OfPoints(net), _members(net)[:1])


def _other(net: nn.Module, seed: int) -> nn.Module:
    """Something of the same shapes."""
    generator = torch.Generator().manual_seed(seed)
    return nn.ParameterList([p.detach() + torch.randn(p.shape, generator=generator) for p in net.parameters()])


_RANDOM = torch.Generator().manual_seed(0)
BATCH = gm.Examples(torch.randn(8, *IN_SHAPE, generator=_RANDOM), torch.arange(8) % CLASSES)
TASK = gm.Task(train=BATCH, test=BATCH, extra=BATCH, num_classes=CLASSES, name="eight", origin="random")
IMAGES = gm.ImageData(
    train_x=(torch.rand(8, *IN_SHAPE, generator=_RANDOM) * 255).to(torch.uint8),
    train_y=BATCH.y,
    test_x=torch.zeros(2, *IN_SHAPE, dtype=torch.uint8),
    test_y=BATCH.y[:2],
    class_names=("no", "yes"),
    name="eight",
    origin="random",
)
_RECIPE = gm.Recipe(epochs=2, batch_size=4)
_SGD = gm.SGDConfig(lr=0.1, epochs=2, batch_size=4)
_FEW = gm.Until(fitted=False, candidates=40)
_PLANE = {"extent": (-1.0, 1.0, -1.0, 1.0), "steps": 4}
_BATCH_STATISTICS = frozenset(["conv, training"])  # what a member says must not depend on the batch
_NO_JACOBIAN = frozenset(
    ["hooks and gradients", "remembers"]
)  # `jacrev` takes no backward hooks, and no writing to buffers
_NO_SPECTRAL_NORM = frozenset(["weight norm"])  # the norm of what is not a parameter
_NO_PATH_NORM = frozenset(["GELU", "frozen", "hooks and gradients", "weight norm", "remembers", "tied"])

_POPULATIONS: Mapping[str, Verb] = {
    "Population": Verb(call=lambda net: _all_of(gm.Population(net, _members(net))), refuses=_BATCH_STATISTICS),
    "Population.loss, differentiated": Verb(call=_differentiated, refuses=_BATCH_STATISTICS),
    "Population.member": Verb(call=lambda net: _spoiled(gm.Population(net, _members(net)).member(1))),
    "decision_regions": Verb(call=lambda net: gm.decision_regions(_in_the_plane(net), **_PLANE)),
    "boundary_distances": Verb(call=lambda net: gm.boundary_distances(_in_the_plane(net), torch.zeros(1, 2), **_PLANE)),
}
_SEARCHES: Mapping[str, Verb] = {
    name: Verb(call=call, refuses=_BATCH_STATISTICS, takes_callback=True, takes_threads=True)
    for name, call in {
        "guess_and_check": lambda net, **options: gm.guess_and_check(
            net, TASK, num_solutions=math.inf, budget=120, chunk=40, **options
        ),
        "pattern_search": lambda net, **options: gm.pattern_search(net, TASK, until=_FEW, **options),
        "random_greedy": lambda net, **options: gm.random_greedy(net, TASK, until=_FEW, **options),
        "split_volume": lambda net, **options: gm.split_volume(
            net, TASK, particles=16, sweeps=1, repeats=1, min_log_volume=-1.5, **options
        ),
    }.items()
}
_POPULATION_TRAININGS: Mapping[str, Verb] = {
    "train_population": Verb(
        call=lambda net: list(gm.train_population(net, BATCH, start=_members(net), sgd=_SGD, seed=0)),
        refuses=_BATCH_STATISTICS,
    ),
    "train_into_bins": Verb(
        call=lambda net, **options: gm.train_into_bins(
            net, TASK, sgd=_SGD, prior=gm.Cube(), accept=[gm.Fits()], members=4, max_members=4, **options
        ),
        refuses=_BATCH_STATISTICS,
        takes_callback=True,
    ),
    "poisoned_sgd": Verb(
        call=lambda net, **options: gm.poisoned_sgd(
            net, TASK, start=_members(net), sgd=_SGD, repeats=1, check_every=1, **options
        ),
        refuses=_BATCH_STATISTICS,
        takes_callback=True,
    ),
    "poison_together": Verb(
        call=lambda net, **options: gm.poison_together(
            net,
            BATCH,
            start=_members(net),
            betas=[0.0, 0.1, 0.5],
            draw=lambda step: BATCH,
            adam=gm.PoisonedAdamConfig(steps=10),
            **options,
        ),
        refuses=_BATCH_STATISTICS,
        takes_callback=True,
    ),
}
_TRAININGS: Mapping[str, Verb] = {
    name: Verb(call=call, takes_callback=True)
    for name, call in {
        "fit": lambda net, **options: _spoiled(gm.fit(net, TASK, recipe=_RECIPE, seed=0, **options).net),
        "adversarial_init": lambda net, **options: gm.adversarial_init(
            net, TASK, replicas=1, recipe=_RECIPE, seed=0, **options
        ),
        "pretrain": lambda net, **options: gm.pretrain(lambda classes: net, IMAGES, recipe=_RECIPE, seed=0, **options),
    }.items()
}
_LANDSCAPES: Mapping[str, Verb] = {
    name: Verb(call=call, takes_callback=True)
    for name, call in {
        "basin_volume": lambda net, **options: gm.basin_volume(net, BATCH, cutoff=30.0, num_rays=4, **options),
        "hessian_eigenpairs": lambda net, **options: gm.hessian_eigenpairs(net, BATCH, num_pairs=1, **options),
        "line": lambda net, **options: gm.line(net, BATCH, steps=3, **options),
        "surface": lambda net, **options: gm.surface(net, BATCH, steps=3, **options),
        **{
            f"surface, batch_norm={mode!r}": lambda net, mode=mode, **options: gm.surface(
                net, BATCH, steps=3, batch_norm=mode, **options
            )
            for mode in ("train", "re-estimated")
        },
        "plane": lambda net, **options: gm.plane(
            net, BATCH, others=(_other(net, 1), _other(net, 2)), steps=3, **options
        ),
    }.items()
}
_MEASURES: Mapping[str, Verb] = {
    "fgsm_accuracy": Verb(
        call=lambda net, **options: gm.fgsm_accuracy(net, BATCH, epsilons=[0.1], pixels=None, **options),
        takes_callback=True,
    ),
    "fold_batch_norm": Verb(call=lambda net: _spoiled(gm.fold_batch_norm(net))),
    "fold_batch_norm, in float64": Verb(call=lambda net: gm.fold_batch_norm(net, dtype=torch.float64), calls_net=False),
    "frobenius_norm": Verb(call=gm.frobenius_norm, calls_net=False),
    "logit_margins": Verb(call=lambda net: gm.logit_margins(net, BATCH)),
    "LowRank.of_logits": Verb(call=lambda net: gm.LowRank.of_logits(net, BATCH), refuses=_NO_JACOBIAN),
    "parameters_of": Verb(call=lambda net: gm.parameters_of(net).zero_(), calls_net=False),
    "path_norm": Verb(call=lambda net: gm.path_norm(net, IN_SHAPE), refuses=_NO_PATH_NORM),
    "random_directions": Verb(call=gm.random_directions, calls_net=False),
    "relative_distance": Verb(call=lambda net: gm.relative_distance(net, net), calls_net=False),
    "spectral_norms": Verb(
        call=lambda net, **options: gm.spectral_norms(net, IN_SHAPE, **options),
        refuses=_NO_SPECTRAL_NORM,
        takes_callback=True,
    ),
    "spectral_norm_product": Verb(
        call=lambda net, **options: gm.spectral_norm_product(net, IN_SHAPE, **options),
        refuses=_NO_SPECTRAL_NORM,
        takes_callback=True,
    ),
}
VERBS: Mapping[str, Verb] = {
    **_POPULATIONS, **_SEARCHES, **_POPULATION_TRAININGS, **_TRAININGS, **_LANDSCAPES, **_MEASURES,
}  # fmt: skip

NO_VERBS: Mapping[str, str] = {
    **dict.fromkeys(("Fit", "Found", "Searched", "Split", "TrainedBins"), "a result, which only remembers the net"),
    "ProxProp": "an optimizer as PyTorch has them: to change the net is what it is for",
}
