"""How right probabilities were, once it is known what happened. Plain Python: a few hundred rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

THRESHOLD = 0.5


@dataclass(frozen=True)
class Score:
    """`rows` are those whose outcome is known. `auc` is None when all of them ended the same way."""

    rows: int
    right: int
    auc: float | None

    @property
    def accuracy(self) -> float:
        return self.right / self.rows


def score(probabilities: Mapping[str, float], outcomes: Mapping[str, bool]) -> Score:
    """Compares predictions with outcomes by id; ids that only one side has are left out."""
    pairs = [(probabilities[identity], outcomes[identity]) for identity in probabilities.keys() & outcomes]
    right = sum((probability >= THRESHOLD) == outcome for probability, outcome in pairs)
    return Score(len(pairs), right, area_under_roc(pairs))


def area_under_roc(pairs: list[tuple[float, bool]]) -> float | None:
    """How often one that happened was given more than one that did not; a tie counts half (Mann-Whitney)."""
    positives = sum(outcome for _, outcome in pairs)
    negatives = len(pairs) - positives
    if not positives or not negatives:
        return None
    ordered = sorted(pairs)
    rank_sum, start = 0.0, 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end][0] == ordered[start][0]:
            end += 1
        mean_rank = (start + 1 + end) / 2
        rank_sum += mean_rank * sum(outcome for _, outcome in ordered[start:end])
        start = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
