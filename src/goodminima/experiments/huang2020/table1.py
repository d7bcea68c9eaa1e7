"""Table 1: twelve optimizers, one net, and what each of them finds."""

from goodminima.experiments.experiment import Experiment, Scale
from goodminima.experiments.huang2020.zoo import OPTIMIZERS, ZOO, run_zoo, zoo_cell, zoo_linear_cell

REMARKS = (
    "Laptop: 2,000 images of 4 classes, VGG13 of an eighth of the width, batches of 64, 15 epochs, cosine to 0; L-BFGS has "
    "batches of 500, and BatchNorm's statistics taken anew at the end.",
    "L-BFGS: Armijo's condition along a backtracking search, history 5. ProxProp: tau 0.5, ten iterations of conjugate gradients "
    "and Adam; the quadratic of its proximal problem is a mean over rows, where the authors' code has a sum (paper scale: sum).",
    "Paper scale: learning rates, epochs and hyper-parameters of Table 1 with falls by 10 (its SGD prints 0.05, 0.005, 0.005); "
    "batch size (128) and augmentation (crops of 4 pixels, mirror images) are not stated there. L-BFGS by batches of 128.",
    "Linear model: pixels and pairwise products of pixels of the image made smaller by 2, softmax in the dual, with the largest "
    "penalty of 1e-6, 1e-7, ... that has every training image right.",
)

TABLE1 = Experiment(
    name="huang2020/table1",
    title="Twelve optimizers train one net, and all of it generalises",
    claim="Whatever the optimizer, the net fits the training images and is far better on new ones than a linear model that fits "
    "them too: the loss surface, not the optimizer, prefers minima that generalise.",
    source="Huang et al. 2020, Table 1 and section 3",
    data="digits",
    paper_data=("cifar10",),
    percent=False,
    cells=(*(zoo_cell(name) for name in OPTIMIZERS), zoo_linear_cell()),
    scales={
        scale: Scale(replicates=3 if scale == "laptop" else 1, settings=zoo, comparable=scale == "paper")
        for scale, zoo in ZOO.items()
    },
    run_cell=run_zoo,
    row_labels=("optimizer",),
    picture="zoo_table",
    remarks=REMARKS,
)
