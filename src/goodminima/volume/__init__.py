"""How large a set of parameters is, always with an interval, in natural log.

By counting guesses (`search.counting`, which Guess & Check comes with), by multilevel splitting where guesses cannot reach,
by rays around one minimum.
"""

from goodminima.search.counting import Count, LogVolume
from goodminima.volume.basin import (
    AbstractProposal,
    Basin,
    Diagonal,
    Isotropic,
    Label,
    LowRank,
    basin_of,
    basin_volume,
)
from goodminima.volume.splitting import (
    AbstractMoves,
    Level,
    NeuronMoves,
    Outcome,
    PcnMoves,
    Seen,
    Split,
    Stage,
    Walked,
    split_volume,
    volume_where,
)

__all__ = [
    "AbstractMoves",
    "AbstractProposal",
    "Basin",
    "Count",
    "Diagonal",
    "Isotropic",
    "Label",
    "Level",
    "LogVolume",
    "LowRank",
    "NeuronMoves",
    "Outcome",
    "PcnMoves",
    "Seen",
    "Split",
    "Stage",
    "Walked",
    "basin_of",
    "basin_volume",
    "split_volume",
    "volume_where",
]
