"""How large is the set of parameters that fit? Far below what guessing reaches, one in 10^9 and smaller; and draws from it."""

import goodminima as gm

task, net = gm.wedge(seed=0), gm.MLP(in_features=2, hidden=(10,), hidden_bias=True)
split = gm.split_volume(net, task, accept=[gm.Fits(), gm.Fits(loss_below=0.6)], particles=128, repeats=3)

for which, fits in enumerate(split.accept):
    print(f"{split.status_of(which)}, all {len(task.train)} points right, loss in {fits}: {split.volume(which)}")
for k, volume in split.by_samples[1::3]:
    print(f"the first {k} points right: {volume}")
accuracy = split.population(1).accuracy(task.test.x, task.test.y)
print(f"test accuracy of {len(accuracy)} uniform draws at low loss: {accuracy.mean():.0%}")

# Any function of a vector will do: here the corner of a cube, where all of 40 coordinates are positive.
corner = gm.volume_where(lambda theta: theta, dimension=40, repeats=3)
print(f"2^-40 of the cube: {corner.log_volume}, the truth {-40 * 0.6931:.3f}")
