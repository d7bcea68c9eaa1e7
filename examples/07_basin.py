"""How large is the basin around a minimum, and how sure is that? Rays until the loss crosses a cutoff."""

import math

import torch
import torch.nn.functional as F

import goodminima as gm

# An ellipsoid in 60 dimensions, turned at random, its axes up to 30 times each other: {theta' A theta / 2 < 0.1}, A = R'R.
torch.manual_seed(0)
axes = torch.logspace(0, 3, 60, dtype=torch.float64)
root = axes.sqrt()[:, None] * torch.linalg.qr(torch.randn(60, 60, dtype=torch.float64))[0]
centre = torch.zeros(60, dtype=torch.float64)


def bowl(theta: torch.Tensor) -> torch.Tensor:
    return 0.5 * (theta @ root.T).square().sum(1)


truth = 30 * math.log(0.2 * math.pi) - math.lgamma(31) - 0.5 * axes.log().sum()
print(f"the bowl: log V = {truth:.3f}")
print(f"  even:  {gm.basin_volume_of(bowl, centre)}")
print(f"  aimed: {gm.basin_volume_of(bowl, centre, proposal=gm.LowRank(root, damping=1e-6))}")

# A trained net: a single ray carries the mean, and the basin says so. Its geometric mean radius does not hang on one ray.
digits = gm.few_shot(gm.load_images("digits"), num_samples=32, num_classes=2, seed=0).train
net = gm.MLP(in_features=digits.x[0].numel(), hidden=(6,))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(200):
    optimizer.zero_grad()
    F.cross_entropy(net(digits.x), digits.y).backward()
    optimizer.step()
basin = gm.basin_volume(net, digits, cutoff=(0.1, 0.5), num_rays=1000)
for cutoff in basin.cutoffs:
    radius = basin.at(cutoff).geometric_mean_radius
    print(f"the net, loss below {cutoff}, geometric mean radius {radius:.3f}: {basin.at(cutoff)}")
