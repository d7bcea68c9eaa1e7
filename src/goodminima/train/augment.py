"""Random crops and mirror images of a whole batch at once."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int, UInt8
from torch import Tensor


def crop_and_flip(
    pixels: UInt8[Tensor, "B H W C"],
    *,
    pad: int,
    top: Int[np.ndarray, "B"],
    left: Int[np.ndarray, "B"],
    mirrored: Bool[np.ndarray, "B"],
) -> UInt8[Tensor, "B H W C"]:
    """Each image with a black border of `pad` pixels, cut to its size again at (top, left), some of them mirrored.

    One gather whatever the crops: pixels of the padded batch are rows of a matrix, channels last.

    Args:
        pixels: A batch of images.
        pad: Width of the border.
        top: First row of each cut, 0 to 2 `pad`; `pad` is the image as it was.
        left: First column of each cut, 0 to 2 `pad`.
        mirrored: Which images are mirrored left to right, after the cut.
    """
    batch, height, width, channels = pixels.shape
    padded = F.pad(pixels, (0, 0, pad, pad, pad, pad))
    line = torch.from_numpy(top)[:, None] + torch.arange(height)  # (B, H)
    across = torch.arange(width)
    flip = torch.from_numpy(mirrored)[:, None]
    column = torch.from_numpy(left)[:, None] + torch.where(flip, width - 1 - across, across)  # (B, W)
    first = torch.arange(batch) * padded.shape[1]
    rows = ((first[:, None] + line) * padded.shape[2])[:, :, None] + column[:, None, :]  # (B, H, W)
    cut = padded.view(-1, channels).index_select(0, rows.flatten().to(pixels.device))
    return cut.view(batch, height, width, channels)
