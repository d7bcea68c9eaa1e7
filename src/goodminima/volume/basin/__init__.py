"""The basin around one minimum, by rays that leave it."""

from goodminima.volume.basin.basin import Basin, Label, basin_volume, basin_volume_of
from goodminima.volume.basin.proposals import AbstractProposal, Diagonal, Isotropic, LowRank

__all__ = ["AbstractProposal", "Basin", "Diagonal", "Isotropic", "Label", "LowRank", "basin_volume", "basin_volume_of"]
