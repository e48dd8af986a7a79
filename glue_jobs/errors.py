"""What the prepare job says when it stops.

The class name and one sentence are the last line on stderr; the run's record and its alert carry that
line to a person, so a message says what, where and what to do next, and never quotes a row of data.

    PrepareError
    ├── InvalidArguments      the job was started with arguments it does not know
    ├── InvalidContract       contracts/<name>.json contradicts itself
    ├── UnsupportedEngine     no engine here for this machine
    ├── SourceNotFound        nothing to read at the URI
    ├── EmptySource           something to read, but no rows in it
    ├── SourceChanged         the files changed while the job read them
    ├── NotUtf8               text in another encoding
    ├── NotACsv               not text, or not comma-separated text
    ├── MissingHeader         the first line is data
    ├── MissingColumn         the header lacks a column of the contract
    ├── DuplicateColumn       the header names a column of the contract twice
    ├── TooManyBadRows        more rows quarantined than the contract allows
    ├── NoValidRows           every row quarantined
    ├── SingleClassTarget     the target has one value only, in the table or in one part of the split
    └── TooFewRows            one part of the split is empty
"""

from __future__ import annotations


class PrepareError(Exception):
    """An outcome the job names. Anything else that is raised is a defect and keeps its traceback."""

    def last_line(self) -> str:
        """`ErrorName: sentence`, on one line."""
        return f"{type(self).__name__}: {' '.join(str(self).split())}"


class InvalidArguments(PrepareError):
    """The job's arguments are not the ones it takes."""


class InvalidContract(PrepareError):
    """The contract file cannot be read or contradicts itself."""


class UnsupportedEngine(PrepareError):
    """The chosen engine cannot run here."""


class SourceNotFound(PrepareError):
    """No object at the source URI, or none this role may read."""


class EmptySource(PrepareError):
    """The source holds no rows."""


class SourceChanged(PrepareError):
    """The source's objects are not the ones the job began to read."""


class NotUtf8(PrepareError):
    """The source is text in an encoding other than UTF-8."""


class NotACsv(PrepareError):
    """The source is not comma-separated text."""


class MissingHeader(PrepareError):
    """The source begins with data."""


class MissingColumn(PrepareError):
    """The header lacks a column that the contract names."""


class DuplicateColumn(PrepareError):
    """The header has a column of the contract more than once."""


class TooManyBadRows(PrepareError):
    """The quarantined fraction is above the contract's limit."""


class NoValidRows(PrepareError):
    """No row survived the contract."""


class SingleClassTarget(PrepareError):
    """A target with one value cannot be learned or measured."""


class TooFewRows(PrepareError):
    """Too few rows for a training and a validation part."""
