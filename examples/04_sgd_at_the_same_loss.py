"""Train a population with SGD, stop each member at the same loss as the guesses, and compare."""

import goodminima as gm

task = gm.few_shot(gm.load_images("digits"), num_samples=4, num_classes=2, seed=0)
net, level = gm.LeNet(width=0.5), gm.Fits(0.55, 0.6)

guessed = gm.guess_and_check(net, task, accept=level, num_solutions=5, keep=5)
trained = gm.train_into_bins(
    net,
    task,
    sgd=gm.SGDConfig(lr=1e-3, epochs=30, batch_size=2),
    prior=gm.Cube(1.0),
    accept=[level],
    num_solutions=5,
    keep=5,
)
for name, found in (("guessed", guessed), ("trained", trained)):
    print(f"{name}: {found.population().accuracy(task.test.x, task.test.y).mean():.0%} test accuracy at loss {level}")
