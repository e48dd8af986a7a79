from __future__ import annotations

import random

import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from ops.scoring import area_under_roc, score


@pytest.mark.parametrize("digits", [1, 6])
def test_agrees_with_scikit_learn_also_where_scores_tie(digits: int) -> None:
    chance = random.Random(3)  # noqa: S311 - a test needs no secrets
    outcomes = {str(i): chance.random() < 0.4 for i in range(300)}
    probabilities = {i: round(min(1.0, chance.random() + 0.2 * outcomes[i]), digits) for i in outcomes}

    found = score(probabilities, outcomes)

    truth = [outcomes[i] for i in outcomes]
    given = [probabilities[i] for i in outcomes]
    assert found.auc == pytest.approx(roc_auc_score(truth, given))
    assert found.accuracy == pytest.approx(accuracy_score(truth, [p >= 0.5 for p in given]))


def test_only_ids_that_both_sides_have_are_compared() -> None:
    found = score({"1": 0.9, "2": 0.8, "3": 0.1}, {"1": True, "3": False, "4": True})

    assert (found.rows, found.right, found.auc) == (2, 2, 1.0)


@pytest.mark.parametrize("outcome", [True, False])
def test_without_both_outcomes_there_is_no_curve(outcome: bool) -> None:
    assert area_under_roc([(0.3, outcome), (0.9, outcome)]) is None
