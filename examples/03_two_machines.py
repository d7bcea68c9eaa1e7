"""A guess is a pair of integers, so a search can be cut up and put together again exactly."""

import math

import goodminima as gm

task, net = gm.wedge(seed=0), gm.MLP(in_features=2, hidden=(10,))
options = {"accept": gm.Fits(), "num_solutions": math.inf, "seed": 7}

here = gm.guess_and_check(net, task, budget=50_000, first=0, **options)
there = gm.guess_and_check(net, task, budget=50_000, first=50_000, **options)
both = here + there
alone = gm.guess_and_check(net, task, budget=100_000, **options)

print(both.log_volume)
print("the same as in one go:", both.bins == alone.bins)
