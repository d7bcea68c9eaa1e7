"""The basin around one minimum, by rays that leave it."""

from goodminima.volume.basin.aim import AbstractProposal, Diagonal, Isotropic, LowRank
from goodminima.volume.basin.basin import Basin, Label, basin_of, basin_volume

__all__ = ["AbstractProposal", "Basin", "Diagonal", "Isotropic", "Label", "LowRank", "basin_of", "basin_volume"]
