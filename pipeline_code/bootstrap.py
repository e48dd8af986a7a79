"""How much `evaluate`'s metrics would move on another validation table of the same size.

A resample draws as many rows with replacement as there are, which is the same as giving each row a weight:
how often it was drawn. With the weights of many resamples in one array, every metric is a few array
products instead of a thousand calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Labels = NDArray[np.int64]

RESAMPLES = 1000
SEED = 1912
CONFIDENCE = 0.95
CELLS = 4_000_000  # weights held at a time, 32 MB: a large table is resampled in more batches


def resampled_metrics(labels: Labels, scores: Numbers, cut: float) -> dict[str, Numbers]:
    """Each metric's value on each resample. `labels` must hold both classes.

    A resample that happens to hold one class only has no AUC and is drawn again.
    """
    batches = [metrics(weights, labels, scores, cut) for weights in _weights(labels)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def interval(values: Numbers) -> dict[str, float]:
    """The percentile interval."""
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return {"lower": float(lower), "upper": float(upper)}


def _weights(labels: Labels) -> Iterator[Numbers]:
    """Arrays (resamples, rows) of how often each row was drawn, together `RESAMPLES` resamples."""
    generator, rows = np.random.default_rng(SEED), len(labels)
    batch = max(1, CELLS // rows)
    for start in range(0, RESAMPLES, batch):
        size = min(batch, RESAMPLES - start)
        yield np.stack([_draw(generator, labels) for _ in range(size)])


def _draw(generator: np.random.Generator, labels: Labels) -> Numbers:
    rows = len(labels)
    while True:
        drawn = generator.integers(0, rows, rows)
        if 0 < labels[drawn].sum() < rows:
            return np.bincount(drawn, minlength=rows).astype(np.float64)


def metrics(weights: Numbers, labels: Labels, scores: Numbers, cut: float) -> dict[str, Numbers]:
    """The metrics of each row of `weights` (resamples, rows); the same definitions as scikit-learn's."""
    positive, predicted = labels == 1, scores > cut
    true_positives = weights @ (positive & predicted)
    positives, guesses = weights @ positive, weights @ predicted
    return {
        "accuracy": (weights @ (positive == predicted)) / weights.sum(axis=1),
        "precision": _ratio(true_positives, guesses),
        "recall": true_positives / positives,
        "f1": _ratio(2 * true_positives, positives + guesses),
        "auc": _auc(weights, positive, scores),
        "log_loss": (weights @ _row_losses(positive, scores)) / weights.sum(axis=1),
    }


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    """Zero where the whole is zero: no row was predicted positive."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _auc(weights: Numbers, positive: NDArray[np.bool_], scores: Numbers) -> Numbers:
    """The share of (positive, negative) pairs ranked rightly; rows with the same score count half."""
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # where each new score begins
    above = np.add.reduceat((weights * positive)[:, order], ties, axis=1)
    below = np.add.reduceat((weights * ~positive)[:, order], ties, axis=1)
    beaten = np.cumsum(below, axis=1) - below / 2
    pairs: Numbers = above.sum(axis=1) * below.sum(axis=1)
    return np.asarray((above * beaten).sum(axis=1) / pairs)


def _row_losses(positive: NDArray[np.bool_], scores: Numbers) -> Numbers:
    floor = np.finfo(scores.dtype).eps
    certain = np.clip(scores, floor, 1 - floor)
    return np.asarray(-np.log(np.where(positive, certain, 1 - certain)))
