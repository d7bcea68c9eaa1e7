"""Guess parameters until ten nets fit four images; how large is the set they come from, and do they generalise?"""

import goodminima as gm

task = gm.few_shot(gm.load_images("digits"), num_samples=4, num_classes=2, seed=0)
found = gm.guess_and_check(gm.LeNet(width=0.5), task, accept=gm.Fits(loss_below=0.6), num_solutions=10)

print(task.name)
print(f"{found.count().hits} solutions in {found.guesses:,} guesses: {found.log_volume}")
accuracy = found.population().accuracy(task.test.x, task.test.y)
print(f"test accuracy: {accuracy.mean():.0%} on average, from {accuracy.min():.0%} to {accuracy.max():.0%}")
