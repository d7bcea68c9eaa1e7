"""How large a set of parameters is, always with an interval, in natural log.

Names are imported when they are first used: `search` needs the counting alone, and splitting needs `search`.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "basin": ("AbstractProposal", "Basin", "Diagonal", "Isotropic", "Label", "LowRank", "basin_of", "basin_volume"),
    "counting": ("Count", "LogVolume"),
    "interval": ("Outcome",),
    "level": ("Level",),
    "moves": ("AbstractMoves", "Seen", "Walked"),
    "neurons": ("NeuronMoves",),
    "pcn": ("PcnMoves",),
    "splitting": ("Split", "Stage", "split_volume", "volume_where"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'goodminima.volume' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"goodminima.volume.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
