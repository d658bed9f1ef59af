"""Partitions that somebody adds to a topic: reported in a sentence, and no reason to stop."""

from dataclasses import replace

import pytest

from runtime.kafka.partition_counts import added
from runtime.kafka.topic_checks import BrokerTopic, compare, partition_count, topic_configs
from runtime.settings import Settings
from schemas.topics import ALL, CARTS, INGRESS, WEBHOOKS, Topic

SETTINGS = Settings(prefix="x_", partitions=4, replication_factor=1)


def as_declared() -> dict[str, BrokerTopic]:
    return {
        SETTINGS.topic(topic): BrokerTopic(
            partition_count(topic, SETTINGS), 1, dict(topic_configs(topic, SETTINGS))
        )
        for topic in ALL
    }


def counts(found: dict[str, BrokerTopic]) -> dict[str, int]:
    return {name: topic.partitions for name, topic in found.items()}


def with_partitions(topic: Topic, count: int) -> dict[str, BrokerTopic]:
    found = as_declared()
    name = SETTINGS.topic(topic)
    return found | {name: replace(found[name], partitions=count)}


def test_topics_as_they_were_created_have_none_added() -> None:
    assert added(counts(as_declared()), SETTINGS) == {}
    assert added({"x_hookline.webhooks": 3, "another": 99}, SETTINGS) == {}


@pytest.mark.parametrize(("topic", "kept"), [(WEBHOOKS, 4), (CARTS, 4), (INGRESS, 1)])
def test_an_added_partition_is_named_and_stops_no_start(topic: Topic, kept: int) -> None:
    found = with_partitions(topic, 6)
    ((name, why),) = added(counts(found), SETTINGS).items()
    assert name == SETTINGS.topic(topic)
    assert f"has 6 partitions, not {kept}" in why
    assert f"partitions {kept} to 5 are neither written nor processed" in why
    assert compare(found, SETTINGS) == []


def test_a_topic_that_lost_partitions_is_refused() -> None:
    (problem,) = compare(with_partitions(CARTS, 3), SETTINGS)
    assert problem.startswith("x_hookline.carts has 3 partitions, not 4.")
