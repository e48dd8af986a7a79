"""Whether a batch still looks like the data its model was validated on: population stability indices.

The index of one variable compares the shares of its bins: the sum over bins of
`(batch - baseline) * ln(batch / baseline)`. Half a row is added to every bin on both sides, so an empty bin
has a finite share, and a bin that is empty on both sides is left out.

Small samples differ by chance. Under no change at all, the index divided by (1/n + 1/m), for n and m rows,
follows a chi-squared distribution with one degree of freedom less than there are bins (Yurdakul 2018). A
threshold alone would warn about most batches of fifty rows, and soon nobody would read the warnings.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import NormalDist

from functions.common.batch_run import Drift, Shift
from functions.common.inputs import StrictModel

HALF_A_ROW = 0.5
RARE = NormalDist().inv_cdf(0.999)  # nine variables a day: one false alarm in about four months

Counts = Mapping[bytes, int]


class Bins(StrictModel):
    """One variable of the baseline: rows per bin, and rows where it is missing.

    Bins are cut at `edges`, or are the given `values`. A value equal to an edge is below it.
    """

    name: str
    edges: list[float] | None = None
    values: list[float] | None = None
    counts: list[int]
    missing: int


class Baseline(StrictModel):
    """`baseline.json` of `pipeline_code/drift_baseline.py`: `features` in the order of the columns."""

    version: int
    rows: int
    features: list[Bins]
    score: Bins


class Histogram:
    """The batch's rows, counted into a variable's bins, a bin for all other values and one for missing."""

    def __init__(self, bins: Bins) -> None:
        self.bins = bins
        self._position = {value: index for index, value in enumerate(bins.values or ())}
        self.observed = [0] * (len(bins.counts) + 2)

    def add(self, texts: Counts) -> None:
        """`texts` says how often each text occurs. Raises `ValueError` for one that is no number."""
        for text, rows in texts.items():
            self.observed[self._bin(text)] += rows

    def shift(self, threshold: float) -> Shift:
        return shift([*self.bins.counts, 0, self.bins.missing], self.observed, threshold)

    def _bin(self, text: bytes) -> int:
        last = len(self.bins.counts)
        if not text:
            return last + 1
        value = float(text)
        if self.bins.edges is not None:
            return bisect_left(self.bins.edges, value)
        return self._position.get(value, last)


class DriftMeter:
    """Sees every row of a batch once and holds only counts."""

    def __init__(self, baseline: Baseline) -> None:
        self.rows = baseline.rows
        self._features = [Histogram(bins) for bins in baseline.features]
        self._score = Histogram(baseline.score)

    def add(self, features: Sequence[Sequence[bytes]], scores: Sequence[bytes]) -> None:
        """Columns of some rows. Raises `ValueError` when they are not the baseline's."""
        for histogram, column in zip(self._features, features, strict=True):
            histogram.add(Counter(column))
        self._score.add(Counter(scores))

    def drift(self, threshold: float, uri: str) -> Drift:
        features = {each.bins.name: each.shift(threshold) for each in self._features}
        score = self._score.shift(threshold)
        return Drift(
            threshold=threshold,
            above_threshold=any(each.above for each in (score, *features.values())),
            reason=None,
            baseline_uri=uri,
            baseline_rows=self.rows,
            score=score,
            features=features,
        )


def not_measured(threshold: float, uri: str | None, reason: str) -> Drift:
    """A batch that there is nothing to compare with."""
    return Drift(
        threshold=threshold,
        above_threshold=False,
        reason=reason,
        baseline_uri=uri,
        baseline_rows=None,
        score=None,
        features={},
    )


def shift(expected: Sequence[int], observed: Sequence[int], threshold: float) -> Shift:
    """Rows per bin in the baseline and in the batch, compared."""
    used = [pair for pair in zip(expected, observed, strict=True) if any(pair)]
    psi = _index([rows for rows, _ in used], [rows for _, rows in used])
    noise = _noise(len(used) - 1, sum(expected), sum(observed))
    return Shift(psi=round(psi, 6), noise=round(noise, 6), above=psi > max(threshold, noise))


def _index(expected: Sequence[int], observed: Sequence[int]) -> float:
    pairs = zip(_shares(expected), _shares(observed), strict=True)
    return sum((now - then) * math.log(now / then) for then, now in pairs)


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) + HALF_A_ROW * len(counts)
    return [(rows + HALF_A_ROW) / whole for rows in counts]


def _noise(degrees: int, expected_rows: int, observed_rows: int) -> float:
    """What the index stays below in 999 of 1000 batches when nothing has changed."""
    if degrees < 1 or not expected_rows or not observed_rows:
        return 0.0
    # Wilson and Hilferty's chi-squared quantile, too large by 3% at most.
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + RARE * math.sqrt(spread)) ** 3
    return quantile * (1 / expected_rows + 1 / observed_rows)
