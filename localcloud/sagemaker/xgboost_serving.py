"""How SageMaker's XGBoost image 3.0-5 answers when its model brings no code of its own.

`Scorer` is the model server: every file at the root of model.tar.gz is a model, CSV has no header, a blank
field is missing, and errors carry the HTTP status and the words of the image. Runs in a process of its own,
never in the server: what it loads comes from outside.

In one thing it is stricter than the image, which predicts from rows that have too few columns as if the last
ones were missing (aws/sagemaker-xgboost-container issue 410): here such rows are refused.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Matrix = NDArray[float64]

CSV_TYPES = frozenset({"csv", "text/csv"})
MAX_CONTENT_LENGTH = 6 * 1024 * 1024  # bytes of a request, unless the variable of that name says otherwise

_NEWLINE, _COMMA = 10, 44
LARGE = 1024 * 1024  # bytes of a payload
SHORT_FORM = 1e-4  # what is smaller Python writes with an exponent
_PLAIN = b"0123456789.,-+eE\n"


class ModelUnusable(Exception):
    """The artifacts hold no model that XGBoost can load. The server never becomes healthy."""


class InvocationFailed(Exception):
    """A refused request: the HTTP `status` and, as message, the body of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Scorer:
    """The models of one folder, loaded."""

    def __init__(self, boosters: Sequence[Any], max_content_length: int = MAX_CONTENT_LENGTH) -> None:
        self._boosters, self._max_content_length = boosters, max_content_length

    @classmethod
    def load(cls, folder: Path, environment: Mapping[str, str]) -> Scorer:
        """Raises `ModelUnusable`."""
        files = sorted(path for path in folder.iterdir() if path.is_file())
        if not files:
            raise ModelUnusable("Unable to load model: model.tar.gz has no file at its root")
        return cls(
            [_load(path) for path in files],
            int(environment.get("MAX_CONTENT_LENGTH", MAX_CONTENT_LENGTH)),
        )

    def invoke(self, payload: bytes, content_type: str, accept: str) -> bytes:
        """The answer in batch mode: one prediction a line. Raises `InvocationFailed`."""
        if not payload:
            return b""
        if len(payload) > self._max_content_length:
            raise InvocationFailed(413, f"The request is larger than {self._max_content_length} bytes")
        if content_type.partition(";")[0].strip().lower() not in CSV_TYPES:
            raise InvocationFailed(415, f"{content_type} is not an accepted ContentType: csv, text/csv.")
        predictions = self.predict(read_csv(payload))
        if accept.lower() not in CSV_TYPES:
            wanted = (
                f"{accept} is not an accepted Accept type. Please choose one of the following: ['text/csv']."
            )
            raise InvocationFailed(415, f"Encoding to accept type {accept} failed with exception: {wanted}")
        texts = _texts(predictions) if len(payload) > LARGE else map(str, predictions.tolist())
        return ("\n".join(texts) + "\n").encode()

    def predict(self, features: Matrix) -> Matrix:
        """One prediction for each row, the mean of all models. Raises `InvocationFailed`."""
        import numpy
        from xgboost.core import XGBoostError

        self._check_columns(features.shape[1])
        try:
            predictions = [
                booster.inplace_predict(features, validate_features=False) for booster in self._boosters
            ]
        except XGBoostError as error:
            raise InvocationFailed(
                400, f"Unable to evaluate payload provided: {_first_line(error)}"
            ) from error
        mean: Matrix = predictions[0] if len(predictions) == 1 else numpy.mean(predictions, axis=0)
        return mean

    def _check_columns(self, columns: int) -> None:
        for booster in self._boosters:
            if booster.num_features() != columns:
                raise InvocationFailed(
                    400,
                    f"Unable to evaluate payload provided: Feature size of csv inference data {columns} is"
                    f" not consistent with feature size of trained model {booster.num_features()}.",
                )


def read_csv(payload: bytes) -> Matrix:
    """Rows of numbers without a header, blank fields as NaN. Raises `InvocationFailed`."""
    import numpy

    try:
        text = payload.strip().decode("utf-8")
        delimiter = _sniff(text.split("\n", 1)[0])
        numbers = _read_plain(text.encode()) if delimiter == "," else None
        if numbers is None:
            # What is not plain is read the image's own slow way, so that its errors are the image's, too.
            rows = [[field or "nan" for field in line.split(delimiter)] for line in text.split("\n")]
            numbers = numpy.array(rows).astype(float)
    except Exception as error:
        raise InvocationFailed(
            415,
            "Loading csv data failed with Exception, please ensure data is in csv format:"
            f"\n {type(error)}\n {error}",
        ) from error
    return numbers


def _sniff(line: str) -> str:
    """The image guesses the delimiter from the first line."""
    delimiter = csv.Sniffer().sniff(line[:512]).delimiter
    return "," if delimiter.isalnum() else delimiter


def _read_plain(payload: bytes) -> Matrix | None:
    """Commas, one number of columns, numbers or nothing between them; None for any other text."""
    import numpy

    if payload.translate(None, _PLAIN):  # numpy reads a field of blanks as -1
        return None
    raw = numpy.frombuffer(payload, numpy.uint8)
    ends = numpy.append(numpy.flatnonzero(raw == _NEWLINE), len(raw))
    commas = numpy.diff(numpy.searchsorted(numpy.flatnonzero(raw == _COMMA), ends), prepend=0)
    if commas.min() != commas.max():
        return None
    shape = (len(ends), int(commas[0]) + 1)
    numbers = _parse_large(payload, shape[1]) if len(payload) > LARGE else _parse(payload)
    return numbers.reshape(shape) if numbers is not None and numbers.size == shape[0] * shape[1] else None


def _parse(payload: bytes) -> Matrix | None:
    import numpy

    flat = b"," + payload.replace(b"\n", b",") + b","
    while b",," in flat:
        flat = flat.replace(b",,", b",nan,")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says that it met something else
        try:
            return numpy.fromstring(flat[1:-1], sep=",")
        except DeprecationWarning:
            return None


def _parse_large(payload: bytes, columns: int) -> Matrix | None:
    """In a tenth of the time, after a tenth of a second for the import of Polars."""
    import polars

    try:
        rows = polars.read_csv(
            payload, has_header=False, schema={str(n): polars.Float64 for n in range(columns)}
        )
    except polars.exceptions.PolarsError:
        return None
    return rows.to_numpy()


def _texts(predictions: Matrix) -> list[str]:
    """What `str` makes of each, in a fifth of the time. Small ones and NaN Polars writes otherwise."""
    import numpy
    import polars

    if predictions.ndim > 1:
        return list(map(str, predictions.tolist()))
    texts: list[str] = polars.Series(predictions.astype(float)).cast(polars.String).to_list()
    for index in numpy.flatnonzero(~(numpy.abs(predictions) >= SHORT_FORM)):
        texts[index] = str(float(predictions[index]))
    return texts


def _load(path: Path) -> Any:
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise ModelUnusable(
            f"Unable to load model: Model at {path.name} cannot be loaded: {_first_line(error)}"
        ) from error
    booster.set_param("nthread", 1)
    return booster


def _first_line(error: Exception) -> str:
    """XGBoost adds a stack of its own to what it says."""
    return str(error).split("\n", 1)[0]
