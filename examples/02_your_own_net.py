"""Any `torch.nn.Module` and any tensors: here a net with a skip connection, on two blobs."""

import torch
from torch import nn

import goodminima as gm


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x + torch.tanh(self.hidden(x)))


generator = torch.Generator().manual_seed(0)
y = torch.arange(200) % 2
x = torch.randn(200, 2, generator=generator) + 4.0 * y[:, None]
task = gm.Task(
    train=gm.Examples(x[:8], y[:8]), test=gm.Examples(x[8:], y[8:]), num_classes=2, name="blobs", origin="this file"
)

found = gm.guess_and_check(Skip(), task, prior=gm.Gaussian(1.0), num_solutions=20)
print(found.log_volume)
print(f"test accuracy {found.population().accuracy(task.test.x, task.test.y).mean():.0%}")
