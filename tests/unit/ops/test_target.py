from __future__ import annotations

from pathlib import Path

import pytest

from ops import local, target
from ops.errors import NoCloud, UsageError
from ops.target import LOCAL_CREDENTIALS, Choice, choose, open_target

LOCAL = "http://127.0.0.1:4566"


def test_a_profile_on_the_command_line_beats_everything() -> None:
    environment = {"AWS_ENDPOINT_URL": LOCAL, "AWS_ACCESS_KEY_ID": "AKIA"}

    assert choose("work", environment, LOCAL) == Choice(endpoint_url=None, profile="work")


def test_an_endpoint_beats_credentials_and_the_running_local_cloud() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9999", "AWS_ACCESS_KEY_ID": "test"}

    assert choose(None, environment, LOCAL) == Choice("http://127.0.0.1:9999")


def test_an_endpoint_without_credentials_gets_the_local_ones() -> None:
    assert choose(None, {"AWS_ENDPOINT_URL": LOCAL}, None) == Choice(LOCAL, credentials=LOCAL_CREDENTIALS)


@pytest.mark.parametrize(
    "name",
    ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
)
def test_credentials_in_the_environment_mean_aws(name: str) -> None:
    assert choose(None, {name: "x"}, LOCAL) == Choice(endpoint_url=None)


def test_without_anything_said_the_running_local_cloud_is_taken() -> None:
    assert choose(None, {}, LOCAL) == Choice(LOCAL, credentials=LOCAL_CREDENTIALS)


def test_empty_variables_say_nothing() -> None:
    assert choose(None, {"AWS_ENDPOINT_URL": "", "AWS_PROFILE": ""}, LOCAL).endpoint_url == LOCAL


def test_without_any_cloud_it_says_how_to_get_one() -> None:
    with pytest.raises(NoCloud, match="titanic up"):
        choose(None, {}, None)


def test_an_unknown_environment_is_a_usage_error_that_names_those_there_are(clean_environment: None) -> None:
    with pytest.raises(UsageError, match="dev, prod"):
        target.connect("staging")


@pytest.fixture
def aws_config(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile plain]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"
        "[profile near]\naws_access_key_id = test\naws_secret_access_key = x\n"
        "endpoint_url = http://127.0.0.1:7777\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def test_a_named_profile_ignores_an_endpoint_left_in_the_environment(
    aws_config: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", LOCAL)

    there = target.connect("dev", "plain")

    assert there.endpoint_url == "https://sts.eu-west-1.amazonaws.com"
    assert there.is_aws


def test_a_profile_may_name_its_own_endpoint(aws_config: None) -> None:
    there = target.connect("dev", "near")

    assert there.endpoint_url == "http://127.0.0.1:7777"
    assert not there.is_aws


def test_a_caller_that_passes_no_endpoint_still_reaches_the_target() -> None:
    there = open_target(Choice(LOCAL, credentials=LOCAL_CREDENTIALS), "dev")

    assert there.session.client("s3", endpoint_url=None).meta.endpoint_url == LOCAL


def test_looks_more_often_at_a_laptop_than_at_aws(aws_config: None) -> None:
    assert open_target(Choice(LOCAL, credentials=LOCAL_CREDENTIALS), "dev").poll_seconds <= 0.05
    assert target.connect("dev", "plain").poll_seconds >= 1


def test_the_label_says_which_account_and_environment(aws: target.Target) -> None:
    assert aws.label == "AWS · account 123456789012 · eu-west-1 · dev"


def test_no_local_cloud_is_looked_for_where_none_was_ever_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TITANIC_HOME", str(tmp_path / "nowhere"))

    assert local.running_endpoint() is None
