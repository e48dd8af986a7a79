from __future__ import annotations

import re
from itertools import pairwise

import pytest

from ops.cost import document
from ops.cost.assumptions import assumed, assumption_file
from ops.cost.charges import Bill, Stay
from ops.cost.estimate import BATCH_INFERENCE, PROMOTION, TRAINING, Estimator, staging_seconds
from ops.cost.facts import Facts
from ops.cost.prices import Prices, total
from ops.cost.scale import GIB, USABLE, limits, parts
from ops.errors import PriceUnknown
from ops.names import ROOT

PRICES = Prices("eu-west-1")
ESTIMATOR = Estimator(PRICES)


def usd(lines: object, service: str) -> float:
    return total(line for line in lines if line.service == service)  # type: ignore[attr-defined]


def test_glue_bills_a_minute_at_least() -> None:
    bill = Bill(Facts(), PRICES)
    short, minute, longer = (bill.glue_line(Facts().glue, seconds) for seconds in (1, 60, 120))
    assert short.usd == minute.usd == pytest.approx(2 * 0.44 / 60)
    assert longer.usd == pytest.approx(2 * minute.usd)


def test_a_loop_is_entered_as_often_as_what_it_waits_for_takes() -> None:
    stays = {stay.state: stay for stay in ESTIMATOR.expected_stays(TRAINING)}
    seconds = sum(run.seconds for run in ESTIMATOR.pipeline_runs())
    rounds = -(-seconds // 30)
    looped = {name for name, stay in stays.items() if stay.visits > 1}
    assert looped == {"WaitForTraining", "DescribeTraining", "TrainingFinished?"}
    assert {stays[name].visits for name in looped} == {rounds}
    assert ESTIMATOR.run(TRAINING).transitions == len(stays) - 3 + 3 * rounds


def test_a_transition_and_a_lambda_cost_what_the_table_says() -> None:
    lines = Bill(Facts(), PRICES).lines(TRAINING, [Stay("InitRun", 1, 2.0), Stay("MetricCheck", 3, 0.0)])
    assert usd(lines, "Step Functions") == pytest.approx(4 * 0.000025)
    gigabytes = Facts().functions["init_run"].memory_mb / 1024
    assert usd(lines, "Lambda") == pytest.approx(0.0000002 + 2.0 * gigabytes * 0.0000133334)


def test_a_state_that_the_definition_no_longer_has_is_a_transition_and_no_more() -> None:
    lines = Bill(Facts(), PRICES).lines(TRAINING, [Stay("LongGone", 1, 99.0)])
    assert usd(lines, "Step Functions") == pytest.approx(0.000025)
    assert usd(lines, "Lambda") == usd(lines, "Glue") == 0


def test_waiting_for_a_person_is_not_a_lambda_that_runs() -> None:
    lines = Bill(Facts(), PRICES).lines(PROMOTION, [Stay("RequestApproval", 1, 86400.0)])
    assert usd(lines, "Lambda") < 0.0001


def test_staging_is_paid_from_its_deployment_until_it_is_taken_down() -> None:
    stays = [
        Stay("CheckPackage", 1, 5),
        Stay("DeployStaging", 1, 10),
        Stay("RequestApproval", 1, 3600),
        Stay("CleanUpStaging", 1, 7),
    ]
    assert staging_seconds(stays) == 3610
    assert staging_seconds(stays[:1]) == 0


def test_a_month_counts_what_is_on_and_what_stands() -> None:
    month = {part.what: part for part in ESTIMATOR.month()}
    assert month["daily batch inference, off"].usd == 0
    training = month["weekly training"]
    assert training.times == pytest.approx(365 / 7 / 12)
    assert training.usd == pytest.approx(training.times * ESTIMATOR.run(TRAINING).usd, rel=1e-3)
    assert month["prod endpoint, all month"].usd == pytest.approx(730 * 0.128)


def test_monitoring_is_a_job_a_day_and_not_only_the_call_that_starts_it() -> None:
    month = {part.what: part for part in ESTIMATOR.month()}
    monitoring = month["daily monitoring"]
    seconds = assumed("job_start_seconds") + assumed("monitor_seconds")
    assert monitoring.usd == pytest.approx(365 / 12 * seconds / 3600 * 0.128, rel=0.05)


def test_the_default_budget_does_not_tell_of_an_ordinary_month() -> None:
    variables = (ROOT / "terraform/07_cost_governance/variables.tf").read_text(encoding="utf-8")
    budget = re.search(r'"monthly_budget_usd" \{.*?default     = (\d+)', variables, re.DOTALL)
    assert budget
    for region in ("eu-west-1", "us-east-1"):
        month = sum(part.usd for part in Estimator(Prices(region)).month())
        assert 0.5 * float(budget[1]) < month < 0.8 * float(budget[1])


def test_every_assumption_has_a_unit_and_a_reason() -> None:
    for name, each in assumption_file().items():
        assert each["value"] > 0, name
        assert each["unit"], name
        assert each["why"], name


@pytest.mark.parametrize("rows", [1, 1e3, 1e6, 1e7, 5e7, 3e8, 1e9])
def test_the_shape_for_a_size_keeps_every_limit(rows: float) -> None:
    for part in parts(rows, PRICES):
        estimator = Estimator(PRICES, part.facts, rows / part.runs)
        assert estimator.prepare_seconds() <= part.facts.glue.most_seconds
        if part.kind == BATCH_INFERENCE:
            assert estimator.script_seconds(part.facts.transform) <= part.facts.transform.most_seconds
            checker = part.facts.functions["check_predictions"]
            assert rows / part.runs <= checker.timeout * assumed("check_rows_a_second")
        else:
            train = part.facts.pipeline_jobs[1]
            needed = rows * assumed("train_bytes_a_row")
            assert needed <= USABLE * GIB * PRICES.instance(train.instance)["memory_gib"]


def test_what_fits_runs_as_shipped() -> None:
    shipped = Facts()
    for part in parts(1e6, PRICES):
        assert part.broken == []
        assert (part.runs, part.facts.glue, part.facts.pipeline_jobs) == (
            1,
            shipped.glue,
            shipped.pipeline_jobs,
        )


def test_more_rows_never_cost_less() -> None:
    costs = [[part.usd for part in parts(rows, PRICES)] for rows in (1e3, 1e6, 1e8, 1e9)]
    for cheaper, dearer in pairwise(costs):
        assert all(one <= other for one, other in zip(cheaper, dearer, strict=True))


def test_limits_come_narrowest_first_and_say_what_moves_them() -> None:
    found = limits(Facts(), PRICES)
    assert [limit.most_rows for limit in found] == sorted(limit.most_rows for limit in found)
    assert all(limit.setting for limit in found)
    [training, batches] = parts(1e9, PRICES)
    assert training.broken[0] == found[0]
    assert {limit.of for limit in batches.broken} == {BATCH_INFERENCE, "both"}


def test_a_table_that_no_priced_instance_holds_is_refused() -> None:
    with pytest.raises(PriceUnknown, match="ask for fewer rows"):
        parts(1e11, PRICES)


def test_the_document_holds_what_the_computation_gives() -> None:
    assert document.main(["--check"]) == 0, "run `python -m ops.cost.document`"


def test_writing_the_section_leaves_the_rest_of_the_document() -> None:
    text = f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n"
    written = document.with_section(text)
    assert written.startswith("before\n")
    assert written.endswith(f"{document.END}\nafter\n")
    assert "old" not in written
    assert document.with_section(written) == written
