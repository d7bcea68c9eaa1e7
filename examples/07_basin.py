"""How wide is the basin around a trained net, and how sure is that? Rays from its minimum, evenly aimed and along flat directions."""

import torch
import torch.nn.functional as F
from torch import nn

import goodminima as gm

torch.manual_seed(0)
points = gm.wedge(seed=0).train
net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
for _ in range(300):
    optimizer.zero_grad()
    F.cross_entropy(net(points.x), points.y).backward()
    optimizer.step()

even = gm.basin_volume(net, points, cutoff=(0.1, 0.5), num_rays=1000)
for cutoff in even.cutoffs:
    print(f"cutoff {cutoff}: {even.at(cutoff)}")

# The same volume with rays along the flat directions of the logits: a better view, and an honest one.
aimed = gm.basin_volume(net, points, cutoff=0.1, num_rays=1000, proposal=gm.LowRank.of_logits(net, points))
print(f"aimed:      {aimed}")

# As a probability: that a Gaussian prior's weights fall into this basin.
likely = gm.basin_volume(net, points, cutoff=0.1, num_rays=1000, directions="plain", prior=gm.Gaussian(1.0))
print(f"prior:      {likely}")
