"""What the rows look like that `evaluate` measured the model on, for later batches to be held against.

The validation table and not the training table: the model has seen the training rows, so their scores are
sharper than any new row's, and every first batch would look as if its scores had drifted. The split is by
id, so validation is a fair sample of the same passengers, only a smaller one; whoever compares has to allow
for that (see `functions/check_predictions/drift.py`).

A number is cut into ten bins of about as many rows each, a category has one bin a value, and missing is
counted apart. Edges lie halfway between two values that occur, so that a value which is rounded differently
elsewhere (XGBoost reads float32, JSON holds float64) does not change its bin, however many rows share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

if TYPE_CHECKING or __package__:  # job.py says why there are two ways
    from . import job
else:
    import job

VERSION = 1
BINS = 10


def drift_baseline(columns: Sequence[job.Column], features: Numbers, scores: Numbers) -> dict[str, Any]:
    """baseline.json: `features` are (rows, columns) with NaN for missing, `scores` probabilities.

    Each variable has its `name`, rows per bin as `counts`, rows as `missing`, and either the `edges` of its
    bins (a value equal to an edge lies below it) or its `values`.
    """
    return {
        "version": VERSION,
        "rows": len(scores),
        "features": [
            _categories(column.name, sorted(column.allowed), features[:, index])
            if column.allowed
            else _numbers(column.name, features[:, index])
            for index, column in enumerate(columns)
        ],
        "score": _numbers("score", scores),
    }


def _categories(name: str, allowed: Sequence[float], values: Numbers) -> dict[str, Any]:
    counts = [int((values == value).sum()) for value in allowed]
    return {"name": name, "values": list(allowed), "counts": counts, "missing": _missing(values)}


def _numbers(name: str, values: Numbers) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    edges = _edges(present)
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return {
        "name": name,
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "missing": _missing(values),
    }


def _edges(present: Numbers) -> Numbers:
    """Fewer than nine where values repeat; none where all are the same, of which a model can use nothing."""
    distinct = np.unique(present)
    if len(distinct) < 2:
        return np.empty(0)
    shares = np.arange(1, BINS) / BINS
    below = np.searchsorted(distinct, np.quantile(present, shares, method="inverted_cdf"))
    cut = np.unique(below[below < len(distinct) - 1])
    return np.asarray((distinct[cut] + distinct[cut + 1]) / 2)


def _missing(values: Numbers) -> int:
    return int(np.isnan(values).sum())
