"""Causes in words: the services wrap a job's own last line in JSON, prefixes and tracebacks.

Glue        {"JobRunState": "FAILED", "ErrorMessage": "MissingColumn: raw/titanic.csv has no …", …}
Transform   {"TransformJobStatus": "Failed", "FailureReason": "AlgorithmError: …", …}
Lambda      {"errorType": "SourceNotFound", "errorMessage": "No object at …", "stackTrace": […]}
SageMaker   AlgorithmError: ExecuteUserScriptError:\\nCommand …\\nSingleClassTarget: …, exit code: 1
any SDK     Requested resource not found (Service: SageMaker, Status Code: 400, Request ID: …)
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

LONGEST_CAUSE = 600

# Of at least two words (MissingColumn, KeyError), so that "Error:" or "Note:" in a text is no name.
_NAMED = re.compile(r"(?:[A-Za-z_]\w*\.)*(?P<name>[A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+): (?P<words>.+)")
_WRAPPERS = re.compile(
    r"""^(?:(?:ClientError|AlgorithmError|ExecuteUserScriptError|framework\ error
         |See\ job\ logs\ for\ more\ information):\s*
         |LAUNCH\ ERROR\s*\|\s*|ErrorMessage\s*")+""",
    re.VERBOSE,
)
_TAILS = re.compile(r",?\s*exit code: -?\d+\s*$|\s*\(Service: [^()]*\)\s*$")


@dataclass(frozen=True)
class Cause:
    """`error` is a name to match on, `words` one line for a person."""

    error: str
    words: str


def explain(error: str, cause: str) -> Cause:
    """The error and cause of a failed task, as they would have been said without the wrapping."""
    details = _json_object(cause)
    if "errorType" in details:
        return Cause(str(details["errorType"]), one_line(str(details.get("errorMessage", ""))))
    if "JobRunState" in details:
        job = f"Glue job run {details.get('Id')} ended {details['JobRunState']}"
        return _job_cause(error, job, details.get("ErrorMessage"))
    if "TransformJobStatus" in details:
        job = f"Transform job {details.get('TransformJobName')} ended {details['TransformJobStatus']}"
        return _job_cause(error, job, details.get("FailureReason"))
    if error == "States.Timeout" and not cause:
        return Cause(error, "it ran past its time limit")
    return named_error(cause) or Cause(error, one_line(_unwrap(cause)) or "no cause was given")


def named_error(text: str) -> Cause | None:
    """The last line that begins with an error's name, wrappers aside; None when there is none."""
    for line in reversed(text.splitlines()):
        found = _NAMED.fullmatch(_unwrap(line))
        if found:
            return Cause(found["name"], one_line(found["words"]))
    return None


def one_line(text: str) -> str:
    """Blanks and line breaks become single blanks; long texts are cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_CAUSE else flat[: LONGEST_CAUSE - 1] + "…"


def _unwrap(text: str) -> str:
    inner = _WRAPPERS.sub("", _TAILS.sub("", text.strip())).strip()
    # SageMaker quotes the traceback as a whole, so its last line ends in a quote that began elsewhere.
    return inner.removesuffix('"') if inner.count('"') % 2 else inner


def _job_cause(error: str, job: str, said: str | None) -> Cause:
    """By the job's own named error, or by what it said last."""
    words = said or "it left no message"
    return named_error(words) or Cause(error, one_line(f"{job}: {words}"))


def _json_object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
