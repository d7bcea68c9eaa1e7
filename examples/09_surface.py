"""A minimum that generalises and one that does not, both right on every training point: what surrounds them?

With a folder as argument, pictures are drawn into it.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import goodminima as gm

task = gm.wedge(seed=0, num_test=40)
net = gm.MLP(in_features=2, hidden=(20,))
start = gm.FanOut().draw(net, seed=0, indices=np.arange(64, dtype=np.uint64))

# Good: the training points alone. Bad: the same starts, with the test points labelled wrongly.
*_, (_, trained) = gm.train_population(
    net, task.train, start=start, sgd=gm.SGDConfig(lr=0.5, momentum=0.9, epochs=300, batch_size=11), seed=0
)
poisoned = gm.poisoned_sgd(net, task, start=start, sgd=gm.SGDConfig(lr=0.5, momentum=0.9, epochs=1000, batch_size=1000))

found, slices = {}, {}
for name, population, sign in (("good", gm.Population(net, trained), 1), ("bad", poisoned.population, -1)):
    fits = population.accuracy(task.train.x, task.train.y) == 1
    test = population.accuracy(task.test.x, task.test.y)
    chosen = int(torch.where(fits, sign * test, -2.0).argmax())
    found[name] = population.member(chosen)
    slices[name] = gm.surface(found[name], task.train, directions="filter", steps=51)
    share = slices[name].share_below(0.3)
    print(f"{name}: {test[chosen]:.0%} test accuracy; the loss is below 0.3 on {share:.1%} of the surface")

way = gm.line(found["good"], task.train, to=found["bad"])
print(f"between them the loss rises to {way.loss[(way.x > 0) & (way.x < 1)].max():.1f}")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    for name, surface in slices.items():
        surface.plot(folder / f"surface_{name}.png")
    way.plot(folder / "way.png")
    both = gm.Population(net, torch.stack([gm.parameters_of(each) for each in found.values()]))
    regions = gm.decision_regions(both, extent=(-1.25, 1.25, -1.625, 0.875))
    regions.plot(folder / "regions.png", examples=task.train, titles=list(found))
