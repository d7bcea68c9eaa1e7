"""Local search in the compiled kernel: examples are the lanes."""

from goodminima.population.native.local_search.member_scorer import MemberScorer, MemberScores
from goodminima.population.native.local_search.pattern_search import IncrementalPatternSearch

__all__ = ["IncrementalPatternSearch", "MemberScorer", "MemberScores"]
