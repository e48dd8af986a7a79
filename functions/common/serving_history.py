"""`serving/endpoints/<endpoint>.json`: which configurations an endpoint was given, and what came of it.

    {"endpoint_name", "deployments": [{"run_id", "endpoint_config_name", "model_name", "model_package_arn",
      "version", "previous_endpoint_config_name", "requested_at", "outcome", "settled_at", "reason"}],
     "rollbacks": [{"from_endpoint_config_name", "to_endpoint_config_name", "by", "requested_at", "outcome",
      "settled_at", "reason"}]}

The newest comes last. A deployment's `outcome` is `requested`, then `refused`, `live`, `rolled_back`,
`removed` or `gone`; `rollbacks` are those by hand, `requested`, then `rolled_back` or `failed`. SageMaker
itself forgets which configuration came before: this is what a rollback goes back by. One promotion runs at
a time, so nobody else writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.s3 import S3Uri

MOST_KEPT = 100

Entry = Mapping[str, Any]


class ServingHistory:
    """The history of one endpoint. Each change is written at once."""

    def __init__(self, s3: Client, bucket: str, endpoint: str) -> None:
        self._s3, self._endpoint = s3, endpoint
        self.uri = S3Uri(bucket, f"serving/endpoints/{endpoint}.json")

    def deployments(self) -> list[dict[str, Any]]:
        """The oldest first; none where the endpoint has never been deployed to."""
        return self._read("deployments")

    def rollbacks(self) -> list[dict[str, Any]]:
        """Those by hand, the oldest first."""
        return self._read("rollbacks")

    def of_run(self, run_id: str) -> Entry | None:
        return next((each for each in self.deployments() if each["run_id"] == run_id), None)

    def request(self, entry: Entry) -> None:
        """Before the endpoint is touched, so that whatever happens next there is a way back."""
        others = [each for each in self.deployments() if each["run_id"] != entry["run_id"]]
        open_entry = {**entry, "outcome": "requested", "settled_at": None, "reason": None}
        self._write(deployments=[*others, open_entry])

    def settle(self, run_id: str, outcome: str, at: str, reason: str | None = None) -> None:
        """What came of the run's deployment; settling it again changes nothing."""
        said = {"outcome": outcome, "settled_at": at, "reason": reason}
        kept = self.deployments()
        changed = [
            {**each, **said} if each["run_id"] == run_id and each["outcome"] != outcome else each
            for each in kept
        ]
        if changed != kept:
            self._write(deployments=changed)

    def keep_rollback(self, entry: Entry) -> None:
        """One by hand: before the endpoint is touched, and again when it has settled."""
        others = [each for each in self.rollbacks() if each["requested_at"] != entry["requested_at"]]
        self._write(rollbacks=[*others, dict(entry)])

    def _read(self, kind: str) -> list[dict[str, Any]]:
        kept = storage.read_json(self._s3, self.uri) or {}
        return list(kept.get(kind, []))

    def _write(self, **changed: list[dict[str, Any]]) -> None:
        kept = {"deployments": self.deployments(), "rollbacks": self.rollbacks()} | changed
        newest = {kind: entries[-MOST_KEPT:] for kind, entries in kept.items()}
        storage.write_json(self._s3, self.uri, {"endpoint_name": self._endpoint, **newest})
