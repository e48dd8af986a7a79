"""What both recorders do: gather a run's facts, write its manifest, build its message.

Nothing here needs `$.run`: InitRun may be what failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.data_report import DataReport, read_data_report
from functions.common.manifest import Facts, Standing, build_manifest
from functions.common.message import Message, console_link
from functions.common.notification import build_notification, next_commands
from functions.common.pipeline_execution import Step, registered_package
from functions.common.registry import withdraw_if_pending
from functions.common.s3 import S3Uri
from functions.common.settings import Settings


@dataclass(frozen=True)
class Record:
    """A run as it was written down, and as it is to be told."""

    manifest: dict[str, Any]
    uri: S3Uri
    env: str
    notification: Message

    @property
    def summary(self) -> dict[str, Any]:
        """The part of the manifest that becomes the execution's output."""
        kept = ("run_id", "run_date", "outcome", "decision", "metrics")
        of_its_kind = [name for name in ("predictions", "endpoint") if name in self.manifest]
        return {
            **{name: self.manifest[name] for name in (*kept, *of_its_kind)},
            "model_package_arn": self.manifest["arns"]["model_package"],
            "approval_status": self.manifest["approval"]["status"],
            "manifest_uri": str(self.uri),
            "console_link": console_link(self.manifest["execution_arn"]),
            "next_command": next_commands(self.manifest, self.env)[0],
        }


def write_record(facts: Facts, settings: Settings, *, s3: Client) -> Record:
    """Writes `runs/<run_id>/manifest.json`; writing it again writes the same."""
    manifest = build_manifest(facts)
    uri = S3Uri(settings.data_bucket, f"runs/{facts.execution.run.run_id}/manifest.json")
    storage.write_json(s3, uri, manifest)
    return Record(manifest, uri, settings.env, build_notification(manifest, str(uri), settings.env))


def find_data_report(s3: Client, settings: Settings, run_id: str) -> DataReport | None:
    """The prepare job's report, or None where the run did not get that far."""
    return read_data_report(s3, S3Uri(settings.data_bucket, f"runs/{run_id}/data_report.json"))


def standing(state: Mapping[str, Any]) -> Standing:
    """What RegisterModel or RejectModel left behind, which version GetApprovedModel chose or CheckPackage let
    pass; before that, the one a promotion was started with."""
    if approved := state.get("approved"):
        return Standing(approved["model_package_arn"], "Approved", approved["approved_by"])
    if package := state.get("package"):
        return Standing(package["model_package_arn"], "Approved", package["approved_by"])
    registration = state.get("registration", {})
    asked_for = state.get("run", {}).get("model_package_arn")
    return Standing(registration.get("model_package_arn", asked_for), registration.get("approval_status"))


def close_standing(
    sagemaker: Client, state: Mapping[str, Any], steps: tuple[Step, ...], reason: str
) -> Standing:
    """For a run that ended early: a version the machine never judged is rejected, a judged one stays."""
    if "registration" in state or "approved" in state or state.get("run", {}).get("kind") == "promotion":
        return standing(state)
    arn = state.get("evaluation", {}).get("model_package_arn") or registered_package(steps)
    return Standing(arn, withdraw_if_pending(sagemaker, arn, reason) if arn else None)
