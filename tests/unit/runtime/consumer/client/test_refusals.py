"""Rights that the consumer lacks, as health conditions."""

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

from runtime.consumer.client import refusals
from runtime.consumer.client.refusals import Refusals
from runtime.health import Health
from runtime.settings import Settings


@pytest.fixture
def health() -> Health:
    return Health()


async def test_a_fetch_that_is_refused_is_shown_until_none_was_for_a_while(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "RETRY", 0.0)
    monkeypatch.setattr(refusals, "_SHOWN", 1000.0)
    refused = Refusals(Settings(), health)
    await refused.of_fetch(TopicAuthorizationFailedError("carts"))
    assert refused.allowed({"orders": [1]}) == {"orders": [1]}
    assert "Read on the topic carts" in health.unmet["fetch"]
    monkeypatch.setattr(refusals, "_SHOWN", -1.0)
    await refused.of_fetch(TopicAuthorizationFailedError("carts"))
    refused.allowed({})
    assert health.is_ready


async def test_any_other_error_of_a_fetch_is_shown_and_waited_for_too(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "RETRY", 0.0)
    error = UnsupportedCodecError("Libraries for zstd compression codec not found")
    await Refusals(Settings(), health).of_fetch(error)
    assert "zstd" in health.unmet["fetch"]


def test_a_fetch_without_a_refusal_before_it_changes_nothing(health: Health) -> None:
    health.waiting("fetch", "something else")
    Refusals(Settings(), health).allowed({})
    assert health.unmet == {"fetch": "something else"}


def test_a_group_that_does_not_take_us_is_shown_as_what_the_partitions_wait_for(
    health: Health,
) -> None:
    health.waiting("partitions", "joining the group")
    Refusals(Settings(), health).of_group(GroupAuthorizationFailedError("hookline.sinks"))
    assert "Read on the group hookline.sinks" in health.unmet["partitions"]
