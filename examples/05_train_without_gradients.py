"""Fit a hundred digits without a gradient, then the same search as an optimizer in an ordinary training loop."""

import torch
import torch.nn.functional as F
from torch import nn

import goodminima as gm

task = gm.few_shot(gm.load_images("digits"), num_samples=100, num_classes=10, seed=0)
found = gm.pattern_search(gm.LeNet(width=0.5, num_classes=10), task, seed=0)
test = found.population().accuracy(task.test.x, task.test.y).item()
print(f"{found.status}: {found.candidates:,} candidates, {found.steps:,} accepted, test accuracy {test:.0%}")

model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))  # any model and any loss; nothing here is ours
points = gm.wedge(seed=0).train
optimizer = gm.PatternSearch(model.parameters(), radius=1.0)
losses = [optimizer.step(lambda: F.cross_entropy(model(points.x), points.y)) for _ in range(200)]
right = (model(points.x).argmax(1) == points.y).double().mean()
print(f"the optimizer's loss {torch.as_tensor(losses[-1]).item():.3f}, {right:.0%} of the wedge right")
