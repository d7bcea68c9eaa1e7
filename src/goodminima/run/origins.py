"""What made the replicates behind a table, told where it is not one and the same thing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, final

from goodminima.run.store import Replicate

# Versions that a replicate's numbers may depend on. Python's and the platform's name change with every update and change none.
MATTERING = ("torch", "numpy", "kernel")
_DIRTY = "+dirty"  # as `provenance.revision` marks a commit whose files were changed
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT = 10  # digits of a commit that a reader is shown


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What made a replicate.

    Args:
        revision: Of the source, as `provenance.revision` gives it; empty where it is unknown.
        versions: Of each of `MATTERING`, empty where it is unknown.
    """

    revision: str
    versions: tuple[str, ...]

    @classmethod
    def of(cls, replicate: Replicate) -> Self:
        """That of a stored replicate; an old store may lack any part of it."""
        versions: Mapping[str, str] = replicate.versions or {}
        return cls(revision=replicate.revision or "", versions=tuple(versions.get(name, "") for name in MATTERING))

    @property
    def is_certain(self) -> bool:
        """Whether equal origins mean equal source: not where it is unknown, or was changed after its commit."""
        return bool(self.revision) and not self.revision.endswith(_DIRTY)


def origins_of(replicates: Iterable[Replicate]) -> Counter[Origin]:
    """How many replicates each origin made."""
    return Counter(map(Origin.of, replicates))


def told(origins: Counter[Origin]) -> str:
    """One line for under a table; empty where all of it is of one source and one set of versions.

    >>> same = dict(versions=("2.9", "2.3", "avx2"))
    >>> told(Counter({Origin(revision="0.1", **same): 3, Origin(revision="0.2", **same): 1}))
    'Replicates are of different sources: 3 of 4 with version 0.1; 1 with version 0.2.'
    """
    several, is_certain = len(origins) > 1, all(origin.is_certain for origin in origins)
    if not several and is_certain:
        return ""
    by_source = not is_certain or len({origin.revision for origin in origins}) > 1
    differing = [name for name, found in zip(MATTERING, _columns(origins), strict=True) if len(set(found)) > 1]
    of_each = [
        f"{count}{'' if number else f' of {origins.total()}'} with {_name(origin, differing, by_source=by_source)}"
        for number, (origin, count) in enumerate(origins.most_common())
    ]
    what = "sources" if by_source else "versions"
    return f"{f'Replicates are of different {what}' if several else 'The source is not certain'}: {'; '.join(of_each)}."


def _columns(origins: Iterable[Origin]) -> Iterator[tuple[str, ...]]:
    """Of each version that matters, those there are."""
    return zip(*(origin.versions for origin in origins), strict=True)


def _name(origin: Origin, differing: Sequence[str], *, by_source: bool) -> str:
    """What tells an origin from the others."""
    versions = [f"{name} {origin.versions[MATTERING.index(name)] or 'unknown'}" for name in differing]
    return ", ".join([source(origin.revision)] * by_source + versions)


def source(revision: str) -> str:
    """A revision in words.

    >>> source("79dbfa0" + 33 * "0" + "+dirty"), source("0.1.0"), source("")
    ('revision 79dbfa0000 and uncommitted changes', 'version 0.1.0', 'an unknown revision')
    """
    commit = revision.removesuffix(_DIRTY)
    if not commit:
        return "an unknown revision"
    name = f"revision {commit[:_SHORT]}" if _COMMIT.fullmatch(commit) else f"version {commit}"
    return f"{name} and uncommitted changes" if commit != revision else name
