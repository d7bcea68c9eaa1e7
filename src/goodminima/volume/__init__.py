"""How large a set of parameters is, always with an interval, in natural log."""

from goodminima.volume.counting import Count, LogVolume

__all__ = ["Count", "LogVolume"]
