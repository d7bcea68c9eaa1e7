"""How large a set of parameters is, always with an interval, in natural log.

By counting guesses (`search.counting`, which Guess & Check comes with), by multilevel splitting where guesses cannot reach,
by rays around one minimum.
"""

from goodminima.core.log_volume import Count, LogVolume
from goodminima.volume.basin import (
    AbstractProposal,
    Basin,
    Diagonal,
    Isotropic,
    Label,
    LowRank,
    basin_volume,
    basin_volume_of,
)
from goodminima.volume.splitting import (
    AbstractMoves,
    BlockMoves,
    GibbsMoves,
    Level,
    Split,
    Stage,
    TargetValues,
    Walked,
    split_volume,
    volume_where,
)

__all__ = [
    "AbstractMoves",
    "AbstractProposal",
    "Basin",
    "BlockMoves",
    "Count",
    "Diagonal",
    "GibbsMoves",
    "Isotropic",
    "Label",
    "Level",
    "LogVolume",
    "LowRank",
    "Split",
    "Stage",
    "TargetValues",
    "Walked",
    "basin_volume",
    "basin_volume_of",
    "split_volume",
    "volume_where",
]
