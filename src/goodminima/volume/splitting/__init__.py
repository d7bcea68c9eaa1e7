"""Multilevel splitting: volumes far below what counting reaches, and uniform draws from the sets."""

from goodminima.volume.splitting.blocks import BlockMoves
from goodminima.volume.splitting.gibbs import GibbsMoves
from goodminima.volume.splitting.level import Level
from goodminima.volume.splitting.moves import AbstractMoves, TargetValues, Walked
from goodminima.volume.splitting.splitting import Split, Stage, split_volume, volume_where

__all__ = [
    "AbstractMoves",
    "BlockMoves",
    "GibbsMoves",
    "Level",
    "Split",
    "Stage",
    "TargetValues",
    "Walked",
    "split_volume",
    "volume_where",
]
