"""Two minima of one net on the same hundred digits, fitted with weight decay and without: what sets them apart?"""

import copy

import torch
import torch.nn.functional as F

import goodminima as gm

images = gm.load_images("digits")
task = gm.few_shot(images, num_samples=100, num_classes=10, seed=0)
torch.manual_seed(0)
start = gm.SmallConv(in_shape=(1, 28, 28))

for name, momentum, decay in (("plain", 0.0, 0.0), ("with momentum and weight decay", 0.9, 0.02)):
    net = copy.deepcopy(start)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=momentum, weight_decay=decay)
    for rows in (torch.randperm(100)[:32] for _ in range(200)):
        optimizer.zero_grad()
        F.cross_entropy(net(task.train.x[rows]), task.train.y[rows]).backward()
        optimizer.step()

    train, test = gm.logit_margins(net, task.train), gm.logit_margins(net, task.test)
    moved = gm.fgsm_accuracy(net, task.test, epsilons=[4 / 255], mean=images.statistics.mean, std=images.statistics.std)
    paths = gm.path_norm(net, (1, 28, 28))
    print(
        f"{name}: accuracy {train.accuracy:.0%} train, {test.accuracy:.1%} test, {moved.item():.1%} under FGSM of 4/255"
    )
    print(f"  median margin {train.median:.3g}, path norm {paths:.3g}, one over the other {train.median / paths:.3g}")
    print(
        f"  distance from the start {gm.relative_distance(net, start):.2f}, Frobenius norm {gm.frobenius_norm(net):.3g}"
    )
