from __future__ import annotations

import pytest

from ops.cost.facts import Facts
from ops.cost.prices import Prices, instances, merged, price_file, total
from ops.errors import PriceUnknown, RegionNotPriced

REGIONS = list(price_file()["regions"])
PRICED = {**price_file()["rates"], **price_file()["instances"]}


@pytest.mark.parametrize("name", PRICED)
def test_a_price_is_there_for_every_region_and_says_what_it_rests_on(name: str) -> None:
    price = PRICED[name]
    assert set(price["usd"]) == set(REGIONS)
    assert all(usd > 0 for usd in price["usd"].values())
    assert price["source"] in price_file()["sources"]
    assert set(price["stated_for"]) <= set(REGIONS)


def test_what_rests_on_no_source_is_stated_for_no_region() -> None:
    assert [name for name, price in PRICED.items() if price["source"] == "none" and price["stated_for"]] == []


def test_every_source_is_used_dated_and_named() -> None:
    used = {price["source"] for price in PRICED.values()}
    assert set(price_file()["sources"]) == used
    assert all(source["page"] and source["of"] for source in price_file()["sources"].values())
    assert price_file()["date"] == "2026-11-21"


def test_a_region_without_prices_is_refused_by_name() -> None:
    with pytest.raises(RegionNotPriced, match=r"ap-south-2.*eu-west-1, us-east-1"):
        Prices("ap-south-2")


@pytest.mark.parametrize("region", REGIONS)
def test_whatever_the_project_runs_on_has_a_price(region: str) -> None:
    facts, prices = Facts(), Prices(region)
    for instance in [
        *(job.instance for job in facts.pipeline_jobs),
        facts.transform.instance,
        facts.run_defaults["INSTANCE_TYPE"],
    ]:
        assert prices.instance(instance)["usd"][region] > 0
    assert prices.glue_worker(facts.glue.worker)["dpu"] >= 1


def test_a_type_without_a_price_is_refused_by_name() -> None:
    with pytest.raises(PriceUnknown, match=r"ml\.p9\.large"):
        Prices("eu-west-1").instance_line("training", "ml.p9.large", 60)


def test_an_instance_is_billed_by_the_second() -> None:
    line = Prices("eu-west-1").instance_line("training", "ml.m5.large", 90, count=2)
    assert line.quantity == pytest.approx(0.05)
    assert line.usd == pytest.approx(0.05 * 0.128)


def test_instances_come_by_size() -> None:
    sizes = [each["memory_gib"] for each in instances().values()]
    assert sizes == sorted(sizes)


def test_lines_about_the_same_thing_become_one() -> None:
    prices = Prices("eu-west-1")
    lines = [prices.line("Lambda", "requests", count, "lambda_request") for count in (1, 2)]
    other = prices.line("X-Ray", "traces", 1, "trace")
    found = merged([*lines, other])
    assert [(line.what, line.quantity) for line in found] == [("requests", 3), ("traces", 1)]
    assert total(found) == pytest.approx(total([*lines, other]))


def test_what_no_source_states_for_the_region_is_told() -> None:
    lines = [Prices("eu-west-1").line("Lambda", "requests", 1, "lambda_request")]
    assert Prices("eu-west-1").unconfirmed(lines) == ["lambda_request"]
    assert Prices("us-east-1").unconfirmed(lines) == []
