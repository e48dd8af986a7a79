"""From the transform's output to the published files: the same bytes under a header, never all in memory."""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import ClientError

from functions.common.batch_run import CheckedFile
from functions.common.clients import Client
from functions.common.errors import PredictionsIncomplete
from functions.common.s3 import S3Uri

COLUMNS = ("id", "probability")
HEADER = f"{','.join(COLUMNS)}\n".encode()
# Two parts of 8 MiB on their way and one being read: a file of any size passes through a small function.
_UPLOAD = TransferConfig(multipart_chunksize=8 << 20, max_concurrency=2, max_io_queue=2)


class Headed:
    """A stream with the header before it, as boto3's uploader reads one."""

    def __init__(self, header: bytes, body: Any) -> None:
        self._header, self._body = header, body

    def read(self, size: int = -1) -> bytes:
        """Parts of a large file have a size; of one that fits into a single request all is read."""
        header, self._header = self._header, b""
        rest = self._body.read() if size < 0 else self._body.read(max(0, size - len(header)))
        return header + bytes(rest)


def publish_file(s3: Client, file: CheckedFile, target: S3Uri) -> None:
    """Raises `PredictionsIncomplete` when the file is not the one that was checked."""
    source = S3Uri.parse(file.uri)
    try:
        body = s3.get_object(Bucket=source.bucket, Key=source.key, IfMatch=file.etag)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "NoSuchKey"):
            raise
        raise PredictionsIncomplete(
            f"{source} changed after it was checked: find out who writes there, then start again."
        ) from None
    content = {"ContentType": "text/csv"}
    with create_transfer_manager(s3, _UPLOAD) as transfers:
        transfers.upload(Headed(HEADER, body), target.bucket, target.key, content).result()
