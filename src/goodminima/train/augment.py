"""Random crops and mirror images of a whole batch at once."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor


def crop_and_flip(
    pixels: Shaped[Tensor, "B H W C"],
    *,
    pad: int,
    top: Int[np.ndarray, "B"],
    left: Int[np.ndarray, "B"],
    mirrored: Bool[np.ndarray, "B"],
    fill: float | Sequence[float] = 0.0,
) -> Shaped[Tensor, "B H W C"]:
    """Each image with a border of `pad` pixels, cut to its size again at (top, left), some of them mirrored.

    One gather whatever the crops: the batch's pixels are rows of a matrix, channels last, and the border is one row more.

    Args:
        pixels: A batch of images, in bytes or floating-point numbers.
        pad: Width of the border.
        top: First row of each cut, 0 to 2 `pad`; `pad` is the image as it was.
        left: First column of each cut, 0 to 2 `pad`.
        mirrored: Which images are mirrored left to right, after the cut.
        fill: What the border holds, in the units of `pixels`: one number, or one a channel.

    Returns:
        As many images of the same size and dtype.
    """
    batch, height, width, channels = pixels.shape
    line = torch.from_numpy(top - pad)[:, None] + torch.arange(height)  # (B, H)
    across = torch.arange(width)
    flip = torch.from_numpy(mirrored)[:, None]
    column = torch.from_numpy(left - pad)[:, None] + torch.where(flip, width - 1 - across, across)  # (B, W)
    first = torch.arange(batch)[:, None] * height
    rows = ((first + line) * width)[:, :, None] + column[:, None, :]  # (B, H, W)
    inside = ((line >= 0) & (line < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    rows = torch.where(inside, rows, batch * height * width)
    border = torch.as_tensor(fill, dtype=pixels.dtype, device=pixels.device).expand(1, channels)
    table = torch.cat([pixels.reshape(-1, channels), border])
    return table.index_select(0, rows.flatten().to(pixels.device)).view(batch, height, width, channels)
