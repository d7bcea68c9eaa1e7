"""Bad minima, and what escapes them: a net of your own that first learns random labels by heart, then the true ones."""

from dataclasses import replace

import torch
from torch import nn

import goodminima as gm


class Mine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1))
        self.head = nn.Sequential(nn.BatchNorm1d(784), nn.ReLU(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.maps(x).flatten(1))


torch.manual_seed(0)
start, task = Mine(), gm.few_shot(gm.load_images("digits"), num_samples=100, num_classes=10, seed=0)
plain = gm.Recipe(epochs=40, batch_size=20, optimizer=gm.OptimizerConfig(lr=0.02), schedule=gm.MultiStep())
fast = replace(plain, optimizer=gm.OptimizerConfig(lr=0.1))
bad = gm.adversarial_init(start, task, replicas=20, recipe=fast)  # true labels are not looked at
print(f"random labels: {bad.last.train_accuracy:.0%} of {20 * 100} by heart after {bad.last.number} epochs")

helped = replace(plain, optimizer=gm.OptimizerConfig(lr=0.02, options={"momentum": 0.9}), weight_decay=0.02)
helped = replace(helped, augment=gm.CropFlip(pad=2, flip=False, fill=-0.94))  # a mirrored digit is none
for words, net, recipe in (
    ("plain SGD from a random start", start, plain),
    ("plain SGD from the adversarial start", bad.net, plain),
    ("crops, weight decay and momentum from there", bad.net, helped),
):
    found = gm.fit(net, task, recipe=recipe, seed=0, evaluate_every=0).last
    print(f"{words}: {found.train_accuracy:.0%} train, {found.test_accuracy:.1%} test")
