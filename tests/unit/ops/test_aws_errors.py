from __future__ import annotations

import pytest
from botocore import exceptions as boto

from ops.aws_errors import explain
from ops.errors import ExitCode, OpsError


def refused(code: str, message: str = "Because.") -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeExecution")


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (boto.NoCredentialsError(), ExitCode.NO_CLOUD, "--profile NAME"),
        (boto.ProfileNotFound(profile="work"), ExitCode.NO_CLOUD, "list-profiles"),
        (boto.UnauthorizedSSOTokenError(), ExitCode.NO_CLOUD, "aws sso login"),
        (boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), ExitCode.NO_CLOUD, "127.0.0.1:1"),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), ExitCode.NO_CLOUD, "titanic up"),
        (refused("ExpiredToken"), ExitCode.NO_CLOUD, "expired"),
        (refused("InvalidClientTokenId"), ExitCode.NO_CLOUD, "get-caller-identity"),
        (refused("AccessDeniedException", "X may not do Y"), ExitCode.FAILED, "X may not do Y"),
        (refused("ThrottlingException"), ExitCode.FAILED, "Wait a moment"),
        (refused("StateMachineDoesNotExist"), ExitCode.FAILED, "terraform apply"),
        (refused("SomethingElse"), ExitCode.FAILED, "DescribeExecution failed with SomethingElse: Because."),
    ],
)
def test_says_what_happened_and_what_to_do(error: Exception, exit_code: ExitCode, words: str) -> None:
    said = explain(error)

    assert isinstance(said, OpsError)
    assert said.exit_code == exit_code
    assert words in str(said)


def test_says_it_in_one_paragraph() -> None:
    assert "\n" not in str(explain(refused("AccessDenied", "first\n  second")))


def test_leaves_other_errors_alone() -> None:
    assert explain(KeyError("x")) is None
