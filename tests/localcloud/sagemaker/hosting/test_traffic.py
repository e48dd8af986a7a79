from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.sagemaker.hosting.fleet import Fleet, Variant
from localcloud.sagemaker.hosting.traffic import NoRoute, Traffic


def instance(given_up: str | None = None) -> Any:
    return SimpleNamespace(given_up=given_up, stop=lambda: None)


def fleet(name: str, *variants: Variant, folder: Path = Path("/nowhere")) -> Fleet:
    model: Any = None
    own = variants or (Variant("AllTraffic", model, 1.0, [instance()]),)
    return Fleet({"EndpointConfigName": name}, own, folder, None)


def who_answers(traffic: Traffic, requests: int) -> Counter[str]:
    leases = [traffic.take() for _ in range(requests)]
    for lease in leases:
        lease.done()
    return Counter(lease.fleet.config_name for lease in leases)


def test_a_new_endpoint_answers_nobody() -> None:
    with pytest.raises(NoRoute):
        Traffic().take()


def test_a_canary_gets_exactly_its_share_evenly_spread() -> None:
    traffic = Traffic()
    traffic.split((fleet("blue"), 0.9), (fleet("green"), 0.1))
    assert who_answers(traffic, 100) == {"blue": 90, "green": 10}
    assert who_answers(traffic, 10) == {"blue": 9, "green": 1}


def test_variants_share_by_their_weights() -> None:
    model: Any = None
    variants = [Variant("A", model, 3.0, [instance()]), Variant("B", model, 1.0, [instance()])]
    traffic = Traffic()
    traffic.split((fleet("both", *variants), 1.0))
    names = Counter(traffic.take().variant.name for _ in range(8))
    assert names == {"A": 6, "B": 2}


def test_a_request_may_insist_on_a_variant() -> None:
    model: Any = None
    variants = [Variant("A", model, 1.0, [instance()]), Variant("B", model, 0.0, [instance()])]
    traffic = Traffic()
    traffic.split((fleet("both", *variants), 1.0))
    assert traffic.take("B").variant.name == "B"
    with pytest.raises(NoRoute):
        traffic.take("C")


def test_instances_take_turns_and_the_dead_are_left_out() -> None:
    model: Any = None
    living = [instance(), instance()]
    variant = Variant("A", model, 1.0, [living[0], instance("it died"), living[1]])
    asked = [variant.next_instance() for _ in range(4)]
    assert [asked.count(one) for one in living] == [2, 2]
    assert variant.broken is None


def test_a_variant_without_living_instances_is_broken() -> None:
    model: Any = None
    lost = fleet("lost", Variant("A", model, 1.0, [instance("it died"), instance("it died, too")]))
    assert lost.broken is not None
    assert "production variant A did not pass the ping health check" in lost.broken
    assert "(it died)" in lost.broken


def test_a_fleet_retires_only_when_its_last_request_is_answered(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    old, traffic = fleet("blue", folder=folder), Traffic()
    traffic.split((old, 1.0))
    lease = traffic.take()
    traffic.split((fleet("green"), 1.0))
    retiring = threading.Thread(target=old.retire)
    retiring.start()
    retiring.join(0.05)
    assert retiring.is_alive()
    assert who_answers(traffic, 3) == {"green": 3}
    lease.done()
    retiring.join(5)
    assert not retiring.is_alive()
    assert not folder.exists()
