"""Input and output of the transform, file by file and row by row. Holds a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Any

from functions.common import s3 as storage
from functions.common.batch_run import CheckedFile
from functions.common.clients import Client
from functions.common.errors import PredictionsIncomplete, PredictionsOutOfRange
from functions.common.s3 import S3Uri

SUFFIX = ".out"  # which batch transform appends to the input's name
ROWS = 5000
LOOK = "look at the transform job's log, then start again"

Columns = list[tuple[bytes, ...]]
Pair = tuple[S3Uri, S3Uri]
Observe = Callable[[Sequence[Sequence[bytes]], Sequence[bytes]], None]


def pair_files(s3: Client, inputs: S3Uri, outputs: S3Uri) -> list[Pair]:
    """Each input with its output, in the order of the inputs. Raises `PredictionsIncomplete`.

    They are matched by name: AWS's documentation leaves open which folders of the input an output keeps.
    """
    wanted = {f"{uri.name}{SUFFIX}": uri for uri in storage.list_objects(s3, inputs)}
    found = {uri.name: uri for uri in storage.list_objects(s3, outputs)}
    if not wanted:
        raise PredictionsIncomplete(f"There are no rows to predict under {inputs}: look at the prepare job.")
    if wanted.keys() != found.keys():
        absent, foreign = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        said = [f"lacks {absent[0]} ({len(absent)} missing)"] if absent else []
        said += [f"has {foreign[0]}, which answers no input"] if foreign else []
        raise PredictionsIncomplete(f"{outputs} {' and '.join(said)}: {LOOK}.")
    return [(source, found[name]) for name, source in wanted.items()]


def check_pair(s3: Client, pair: Pair, observe: Observe) -> CheckedFile:
    """Compares ids and looks at every score; `observe` gets the columns of features, and the scores.

    Raises `PredictionsIncomplete`, `PredictionsOutOfRange`. Messages name lines, never a row's values.
    """
    source, output = pair
    given = s3.get_object(Bucket=source.bucket, Key=source.key)
    answered = s3.get_object(Bucket=output.bucket, Key=output.key)
    rows = 0
    batches = zip_longest(_batches(given["Body"]), _batches(answered["Body"]), fillvalue=())
    for asked, answers in batches:
        if len(asked) != len(answers):
            raise PredictionsIncomplete(_unequal(pair, rows + min(len(asked), len(answers)), asked, answers))
        ids, *features = _columns(asked, None, source, rows)
        answered_ids, scores = _columns(answers, 2, output, rows)
        _require_same_ids(ids, answered_ids, output, rows)
        _require_probabilities(scores, output, rows)
        observe(features, scores)
        rows += len(asked)
    return CheckedFile(uri=str(output), etag=answered["ETag"], rows=rows)


def _batches(body: Any) -> Iterator[list[bytes]]:
    lines = storage.read_lines(body)
    while batch := list(islice(lines, ROWS)):
        yield batch


def _columns(lines: Sequence[bytes], width: int | None, uri: S3Uri, before: int) -> Columns:
    """The fields of some lines, column by column; `width` None takes the first line's."""
    rows = [line.split(b",") for line in lines]
    expected = width or len(rows[0])
    for number, row in enumerate(rows, before + 1):
        if len(row) != expected:
            raise PredictionsIncomplete(
                f"Line {number} of {uri} has {len(row)} fields, not {expected}: {LOOK}."
            )
    return list(zip(*rows, strict=True))


def _require_same_ids(asked: Sequence[bytes], answered: Sequence[bytes], uri: S3Uri, before: int) -> None:
    if asked != answered:
        pairs = zip(asked, answered, strict=True)
        number = next(line for line, (one, other) in enumerate(pairs, before + 1) if one != other)
        raise PredictionsIncomplete(f"Line {number} of {uri} is about another id than its input: {LOOK}.")


def _require_probabilities(scores: Sequence[bytes], uri: S3Uri, before: int) -> None:
    good = {text for text in set(scores) if _is_probability(text)}
    for number, text in enumerate(scores, before + 1):
        if text not in good:
            shown = text[:40].decode(errors="replace")
            raise PredictionsOutOfRange(
                f"Line {number} of {uri} has {shown!r} for a probability: look at the model version."
            )


def _is_probability(text: bytes) -> bool:
    try:
        return 0 <= float(text) <= 1  # never for NaN
    except ValueError:
        return False


def _unequal(pair: Pair, common: int, asked: Sequence[bytes], answers: Sequence[bytes]) -> str:
    source, output = pair
    fewer, more = (output, source) if len(answers) < len(asked) else (source, output)
    return f"{fewer} ends after {common} rows and {more} does not: {LOOK}."
