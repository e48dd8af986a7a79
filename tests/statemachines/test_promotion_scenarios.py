"""Drives the promotion machine through its cases, on a real engine with mocked tasks.

`mock_config.json` says what each task answers in each case; here stands where the machine must go.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("statemachines")  # one engine, one run of all cases

START = "SetInputAside InitRun"
TO_PACKAGE = f"{START} CheckPackage"
TO_STAGING = f"{TO_PACKAGE} AlreadyLive? DeployStaging"
LOOK = "WaitForStaging DescribeStaging"
READY = f"{LOOK} StagingReady?"
TO_SMOKE = f"{TO_STAGING} {READY} SmokeTest"
TO_GATE = f"{TO_SMOKE} SmokePassed? RequestApproval"
TO_PROD = f"{TO_GATE} Approved? DeployProd"
LOOK_PROD = "WaitForProd DescribeProd"
READY_PROD = f"{LOOK_PROD} ProdReady?"
TO_VERIFY = f"{TO_PROD} {READY_PROD} VerifyProd"
PROMOTED = "CleanUpStaging RecordPromotion NotifyPromoted"
LIVE = f"{TO_PACKAGE} AlreadyLive? RecordAlreadyLive"
DECLINED = f"{TO_GATE} Approved? CleanUpDeclinedStaging RecordDeclined"
UNANSWERED = f"{TO_GATE} CleanUpUnansweredStaging RecordGateTimeout"
BACK = "BeginRollback RollBackProd ProdRestored?"
ROLLED_BACK = "CleanUpRolledBackStaging RecordRollback"
TAKEN_BACK = f"{TO_PROD} {READY_PROD} {READY_PROD} {READY_PROD} ProdRolledBack {BACK} {ROLLED_BACK}"
FAILURE = "RecordFailure NotifyFailure RunFailed"
CLEAN_FAILURE = f"CleanUpFailedStaging {FAILURE}"
UNRECORDED = "RecordFailure NotifyUnrecorded RunUnrecorded"

SUCCEEDED = {
    "VersionIsPromoted": f"{TO_VERIFY} {PROMOTED} ModelPromoted",
    "StagingCannotBeCleanedUp": f"{TO_VERIFY} {PROMOTED} ModelPromoted",
    "EndpointsAreReadyJustPastTheirDeadlines": f"{TO_VERIFY} {PROMOTED} ModelPromoted",
    "ServicesAreBusyOnTheWayToProd": f"{TO_VERIFY} {PROMOTED} ModelPromoted",
    "EndpointsNeedTwoLooks": (
        f"{TO_STAGING} {READY} {READY} SmokeTest SmokePassed? RequestApproval Approved? DeployProd"
        f" {READY_PROD} {READY_PROD} VerifyProd {PROMOTED} ModelPromoted"
    ),
    "VersionIsLiveAlready": f"{LIVE} NotifyAlreadyLive AlreadyLive",
    "ServicesAreBusyOnTheWayToTheNoOp": f"{LIVE} NotifyAlreadyLive AlreadyLive",
    "PersonDeclines": f"{DECLINED} NotifyDeclined PromotionDeclined",
    "AnswerIsAnotherWord": f"{DECLINED} NotifyDeclined PromotionDeclined",
    "DeclinedStagingCannotBeCleanedUp": f"{DECLINED} NotifyDeclined PromotionDeclined",
    "ServicesAreBusyOnTheWayToTheDecline": f"{DECLINED} NotifyDeclined PromotionDeclined",
}
TIMED_OUT = {
    "NobodyAnswers": f"{UNANSWERED} NotifyGateTimeout GateTimedOut",
    "UnansweredStagingCannotBeCleanedUp": f"{UNANSWERED} NotifyGateTimeout GateTimedOut",
    "ServicesAreBusyOnTheWayToTheGateTimeout": f"{UNANSWERED} NotifyGateTimeout GateTimedOut",
}
WENT_BACK = {
    "AlarmsTakeTheCanaryBack": f"{TAKEN_BACK} NotifyRolledBack PromotionRolledBack",
    "RolledBackStagingCannotBeCleanedUp": f"{TAKEN_BACK} NotifyRolledBack PromotionRolledBack",
    "ProdFailsItsVerification": (
        f"{TO_VERIFY} {BACK} WaitForRollback RollBackProd ProdRestored? WaitForRollback RollBackProd"
        f" ProdRestored? {ROLLED_BACK} NotifyRolledBack PromotionRolledBack"
    ),
    "FirstProdFailsItsVerification": f"{TO_VERIFY} {BACK} {ROLLED_BACK} NotifyRolledBack PromotionRolledBack",
    "ServicesAreBusyOnTheWayBack": f"{TO_VERIFY} {BACK} {ROLLED_BACK} NotifyRolledBack PromotionRolledBack",
    "ProdEndsAsFailed": (
        f"{TO_PROD} {READY_PROD} ProdFailed {BACK} {ROLLED_BACK} NotifyRolledBack PromotionRolledBack"
    ),
    "ProdMissesItsDeadline": (
        f"{TO_PROD} {READY_PROD} ProdTimedOut {BACK} {ROLLED_BACK} NotifyRolledBack PromotionRolledBack"
    ),
}
SMOKE_FAILED = f"{TO_SMOKE} SmokePassed? SmokeFailed {CLEAN_FAILURE}"
FAILED = {
    "InputIsRefused": f"{START} {FAILURE}",
    "AnotherPromotionIsInProgress": f"{START} {FAILURE}",
    "ServiceStaysBusy": f"{START} {FAILURE}",
    "FailureCannotBeAnnounced": f"{START} {FAILURE}",
    "PackageIsPending": f"{TO_PACKAGE} {FAILURE}",
    "PackageIsRejected": f"{TO_PACKAGE} {FAILURE}",
    "PackageIsNotTraceable": f"{TO_PACKAGE} {FAILURE}",
    "PackageIsGone": f"{TO_PACKAGE} {FAILURE}",
    "StagingIsBusy": f"{TO_STAGING} {CLEAN_FAILURE}",
    "StagingIsDeletedUnderOurFeet": f"{TO_STAGING} {LOOK} {CLEAN_FAILURE}",
    "StagingEndsAsFailed": f"{TO_STAGING} {READY} StagingFailed {CLEAN_FAILURE}",
    "StagingIsTakenBack": f"{TO_STAGING} {READY} StagingFailed {CLEAN_FAILURE}",
    "StagingMissesItsDeadline": f"{TO_STAGING} {READY} StagingTimedOut {CLEAN_FAILURE}",
    "SmokeTestIsTooSlow": SMOKE_FAILED,
    "SmokeTestLacksARow": SMOKE_FAILED,
    "SmokeTestPutsAPassengerOnTheWrongSide": SMOKE_FAILED,
    "SmokeTestHasNoVerdict": SMOKE_FAILED,
    "FailedStagingCannotBeCleanedUp": SMOKE_FAILED,
    "ServicesAreBusyOnTheWayToFailure": SMOKE_FAILED,
    "SmokeTestCrashes": f"{TO_SMOKE} {CLEAN_FAILURE}",
    "NobodyCanBeAsked": f"{TO_GATE} {CLEAN_FAILURE}",
    "ProdIsBusy": f"{TO_PROD} {BACK} {CLEAN_FAILURE}",
    "ProdIsDeletedUnderOurFeet": f"{TO_PROD} {LOOK_PROD} {BACK} {CLEAN_FAILURE}",
    "ProdCannotBeRolledBack": f"{TO_VERIFY} BeginRollback RollBackProd {CLEAN_FAILURE}",
    "PromotionCannotBeRecorded": f"{TO_VERIFY} CleanUpStaging RecordPromotion {FAILURE}",
    "PromotionCannotBeAnnounced": f"{TO_VERIFY} {PROMOTED} {FAILURE}",
    "NoOpCannotBeRecorded": f"{LIVE} {FAILURE}",
    "NoOpCannotBeAnnounced": f"{LIVE} NotifyAlreadyLive {FAILURE}",
    "DeclineCannotBeRecorded": f"{DECLINED} {FAILURE}",
    "DeclineCannotBeAnnounced": f"{DECLINED} NotifyDeclined {FAILURE}",
    "GateTimeoutCannotBeRecorded": f"{UNANSWERED} {FAILURE}",
    "GateTimeoutCannotBeAnnounced": f"{UNANSWERED} NotifyGateTimeout {FAILURE}",
    "RollbackCannotBeRecorded": f"{TAKEN_BACK} {FAILURE}",
    "RollbackCannotBeAnnounced": f"{TAKEN_BACK} NotifyRolledBack {FAILURE}",
}
LOST = {
    "FailureCannotBeRecorded": f"{START} {UNRECORDED}",
    "FailureCannotBeRecordedNorAnnounced": f"{START} {UNRECORDED}",
    "ServicesAreBusyAndFailureCannotBeRecorded": f"{START} {UNRECORDED}",
}
PATHS = SUCCEEDED | TIMED_OUT | WENT_BACK | FAILED | LOST

Outcomes = dict[str, Any]


@pytest.fixture(scope="module")
def machine_name() -> str:
    return "promotion"


@pytest.mark.parametrize("case", PATHS)
def test_takes_the_expected_path(outcomes: Outcomes, case: str) -> None:
    outcome = outcomes[case]

    assert outcome.path == PATHS[case], f"ended {outcome.status}: {outcome.error}: {outcome.cause}"
    assert outcome.status == ("SUCCEEDED" if case in SUCCEEDED else "FAILED")


def test_every_case_of_the_mock_configuration_has_an_expected_path(outcomes: Outcomes) -> None:
    assert outcomes.keys() == PATHS.keys()


@pytest.mark.parametrize("case", sorted(PATHS))
def test_prod_is_deployed_to_only_after_a_passed_smoke_test_and_the_one_word(
    outcomes: Outcomes, case: str
) -> None:
    visited = [visit.state for visit in outcomes[case].visits]
    if "DeployProd" in visited:
        assert visited.index("SmokePassed?") < visited.index("Approved?") < visited.index("DeployProd")
    if "DeployStaging" in visited:
        assert any(state.startswith("CleanUp") for state in visited), "staging is always taken down"


@pytest.mark.parametrize("case", WENT_BACK)
def test_a_rollback_is_never_a_success_and_says_what_it_was(outcomes: Outcomes, case: str) -> None:
    assert (outcomes[case].error, outcomes[case].cause) == (
        "PromotionRolledBack",
        "SageMaker took the update back",
    )


@pytest.mark.parametrize("case", TIMED_OUT)
def test_an_unanswered_gate_is_closed_under_its_own_name(outcomes: Outcomes, case: str) -> None:
    assert outcomes[case].error == "GateTimedOut"


@pytest.mark.parametrize(
    ("case", "error", "words"),
    [
        ("StagingEndsAsFailed", "StagingFailed", "ended as Failed"),
        ("StagingIsTakenBack", "StagingFailed", "ended as InService on titanic-survival-staging-v6"),
        ("StagingMissesItsDeadline", "StagingTimedOut", "still Creating at its deadline 2000-01-01"),
        ("SmokeTestIsTooSlow", "SmokeFailed", "95th percentile 900 ms"),
        ("SmokeTestLacksARow", "SmokeFailed", "99 predictions for 100 rows"),
        ("SmokeTestPutsAPassengerOnTheWrongSide", "SmokeFailed", "first-class woman, 38"),
        ("ProdIsDeletedUnderOurFeet", "SageMaker.SageMakerException", "Could not find endpoint"),
        ("ProdCannotBeRolledBack", "VerificationFailed", "fails the smoke test"),
    ],
)
def test_the_recorder_gets_the_first_error_in_words(
    outcomes: Outcomes, case: str, error: str, words: str
) -> None:
    recorded = call(outcomes[case], "RecordFailure")["Payload"]["state"]["error"]

    assert recorded["Error"] == error
    assert words in recorded["Cause"]


@pytest.mark.parametrize(
    ("case", "error", "words"),
    [
        ("AlarmsTakeTheCanaryBack", "ProdRolledBack", "InService on titanic-survival-prod-v6-0a0b0c0d0e"),
        ("ProdEndsAsFailed", "ProdFailed", "ended as Failed"),
        ("ProdMissesItsDeadline", "ProdTimedOut", "still Updating at its deadline 2000-01-01"),
        ("ProdFailsItsVerification", "VerificationFailed", "fails the smoke test"),
    ],
)
def test_the_rollback_and_its_record_know_why(outcomes: Outcomes, case: str, error: str, words: str) -> None:
    asked = call(outcomes[case], "RollBackProd")["Payload"]["error"]
    recorded = call(outcomes[case], "RecordRollback")["Payload"]["state"]["error"]

    assert asked == recorded
    assert recorded["Error"] == error
    assert words in recorded["Cause"]


def test_what_was_left_over_is_told_to_the_recorder(outcomes: Outcomes) -> None:
    for case, record in {
        "StagingCannotBeCleanedUp": "RecordPromotion",
        "DeclinedStagingCannotBeCleanedUp": "RecordDeclined",
        "UnansweredStagingCannotBeCleanedUp": "RecordGateTimeout",
        "RolledBackStagingCannotBeCleanedUp": "RecordRollback",
        "FailedStagingCannotBeCleanedUp": "RecordFailure",
    }.items():
        state = call(outcomes[case], record)["Payload"]["state"]
        assert "in-progress" in state["clean_up_error"]["Cause"], case
        assert "clean_up" not in state, case


def test_a_failed_rollback_is_recorded_beside_the_reason_for_it(outcomes: Outcomes) -> None:
    state = call(outcomes["ProdCannotBeRolledBack"], "RecordFailure")["Payload"]["state"]

    assert state["error"]["Error"] == "VerificationFailed"
    assert state["rollback_error"]["Error"] == "RollbackFailed"


def test_each_question_at_the_gate_carries_a_token_and_what_was_found_out(outcomes: Outcomes) -> None:
    asked = [
        parameters["Payload"]
        for visit in outcomes["ServicesAreBusyOnTheWayToProd"].visits
        if visit.state == "RequestApproval"
        for parameters in visit.calls
    ]

    assert len(asked) == 2
    assert all(payload["task_token"] for payload in asked)
    assert asked[0].keys() == {"run", "package", "staging", "smoke", "task_token"}


def test_the_rollback_knows_from_the_first_call_when_it_began(outcomes: Outcomes) -> None:
    [first, *later] = [
        parameters["Payload"]["started_at"]
        for visit in outcomes["ProdFailsItsVerification"].visits
        if visit.state == "RollBackProd"
        for parameters in visit.calls
    ]

    assert first.startswith("20")
    assert later == ["2026-11-21T07:00:00.000Z"] * 2, "what the function echoed"


def call(outcome: Any, state: str) -> dict[str, Any]:
    """Parameters of the last call that the state made."""
    made: list[dict[str, Any]] = [
        parameters for visit in outcome.visits if visit.state == state for parameters in visit.calls
    ]
    return made[-1]
