"""Data capture: what an endpoint was asked and what it answered, as JSON lines in S3.

Layout and file names are SageMaker's:
`<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/mm-ss-fff-<id>.jsonl`.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.sagemaker import transfer

FLUSH_SECONDS = 5.0
MOST_RECORDS = 500  # of one file

Put = Callable[[str, str, bytes], None]  # bucket, key, content


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer. `time` is UTC."""

    variant: str
    time: datetime
    request: bytes
    request_type: str
    answer: bytes
    answer_type: str
    inference_id: str = ""
    custom_attributes: str = ""


class Capture:
    """The capture of one fleet. Takes exchanges from the event loop, uploads them from threads of its own.

    `config` is a DataCaptureConfig; `log` gets a line when S3 does not take what was captured.
    """

    def __init__(
        self, endpoint: str, config: Mapping[str, Any], put: Put, log: Callable[[str], None]
    ) -> None:
        self._endpoint, self._config, self._put, self._log = endpoint, config, put, log
        self._modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        self._percentage = config["InitialSamplingPercentage"] if config.get("EnableCapture", True) else 0
        self._sampled = 0
        self._held: list[Exchange] = []
        self._lock, self._uploading = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None

    def offer(self, exchange: Exchange) -> None:
        """Keeps the exchange when it is one of the sample: of 100 in a row exactly the percentage."""
        self._sampled += self._percentage
        if self._sampled < 100:
            return
        self._sampled -= 100
        with self._lock:
            self._held.append(exchange)
            if self._timer is None:
                self._start_timer(FLUSH_SECONDS)
            elif len(self._held) == MOST_RECORDS:
                self._timer.cancel()
                self._start_timer(0)

    def close(self) -> None:
        """Delivers what is held. The last call."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
        self._flush()

    def _start_timer(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._flush)
        self._timer.daemon = True
        self._timer.start()

    def _flush(self) -> None:
        with self._uploading:
            with self._lock:
                held, self._held, self._timer = self._held, [], None
            files: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
            for exchange in held:
                files[exchange.variant, exchange.time.strftime("%Y/%m/%d/%H")].append(exchange)
            for (variant, hour), exchanges in files.items():
                self._upload(f"{self._endpoint}/{variant}/{hour}", exchanges)

    def _upload(self, folder: str, exchanges: list[Exchange]) -> None:
        moment = exchanges[0].time
        name = f"{moment:%M-%S}-{moment.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
        uri = f"{self._config['DestinationS3Uri'].rstrip('/')}/{folder}/{name}"
        lines = "".join(json.dumps(self._record(exchange)) + "\n" for exchange in exchanges)
        try:
            self._put(*transfer.split_uri(uri), lines.encode())
        except (transfer.TransferFailed, *transfer.S3_ERRORS) as error:
            self._log(
                f"{len(exchanges)} captured requests could not be written to {uri}: {transfer.words(error)}"
            )

    def _record(self, exchange: Exchange) -> dict[str, Any]:
        data = {}
        if self._modes & {"Input", "InputAndOutput"}:
            data["endpointInput"] = self._side("INPUT", exchange.request, exchange.request_type)
        if self._modes & {"Output", "InputAndOutput"}:
            data["endpointOutput"] = self._side("OUTPUT", exchange.answer, exchange.answer_type)
        metadata: dict[str, Any] = {
            "eventId": str(uuid.uuid4()),
            "inferenceTime": exchange.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if exchange.inference_id:
            metadata["inferenceId"] = exchange.inference_id
        if exchange.custom_attributes:
            metadata["customAttributes"] = [exchange.custom_attributes]
        return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}

    def _side(self, mode: str, content: bytes, content_type: str) -> dict[str, str]:
        encoding = self._encoding(content_type)
        text = (
            base64.b64encode(content).decode() if encoding == "BASE64" else content.decode(errors="replace")
        )
        return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}

    def _encoding(self, content_type: str) -> str:
        """Types that the configuration does not name are kept as base64."""
        named = self._config.get("CaptureContentTypeHeader", {})
        media_type = content_type.partition(";")[0].strip().lower()
        for encoding, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
            if media_type in named.get(member, []):
                return encoding
        return "BASE64"


def now() -> datetime:
    return datetime.now(UTC)
