"""What is refused of the topics on a broker, and what the refusal says to do."""

from dataclasses import replace
from typing import Any

import pytest

from runtime.kafka.declared_settings import differences
from runtime.kafka.topic_checks import BrokerTopic, compare, partition_count, topic_configs
from runtime.settings import Settings
from schemas.topics import ALL, CONTACTS, DEAD_LETTERS, DUPLICATES, INGRESS, ORDERS, WEBHOOKS, Topic

SETTINGS = Settings(prefix="x_", partitions=4, replication_factor=1)
DAY = 86_400_000


def as_declared() -> dict[str, BrokerTopic]:
    return {
        SETTINGS.topic(topic): BrokerTopic(
            partition_count(topic, SETTINGS), 1, dict(topic_configs(topic, SETTINGS))
        )
        for topic in ALL
    }


def changed(topic: Topic, **configs: str) -> dict[str, BrokerTopic]:
    found = as_declared()
    name = SETTINGS.topic(topic)
    dotted = {key.replace("_", "."): value for key, value in configs.items()}
    found[name] = replace(found[name], configs={**found[name].configs, **dotted})
    return found


def test_topics_as_declared_are_right() -> None:
    assert compare(as_declared(), SETTINGS) == []


def test_the_declared_sizes_and_retentions_are_the_documented_ones() -> None:
    assert topic_configs(WEBHOOKS, SETTINGS) == {
        "cleanup.policy": "delete",
        "retention.ms": str(24 * DAY),
        "retention.bytes": "-1",
        "max.message.bytes": str(2 << 20),
        "message.timestamp.type": "LogAppendTime",
        "segment.ms": str(DAY),
        "compression.type": "producer",
        "min.insync.replicas": "1",
        "unclean.leader.election.enable": "false",
    }
    assert topic_configs(ORDERS, SETTINGS)["retention.ms"] == "-1"
    assert topic_configs(DEAD_LETTERS, SETTINGS)["retention.ms"] == str(28 * DAY)


def test_a_missing_topic_is_named_with_the_command_that_creates_it() -> None:
    found = as_declared()
    del found["x_hookline.orders"]
    assert compare(found, SETTINGS) == [
        "x_hookline.orders is missing: run `hookline topics create`"
    ]


def test_a_changed_setting_of_partitions_is_refused_for_the_whole_pipeline() -> None:
    problems = compare(as_declared(), replace(SETTINGS, partitions=12))
    assert len(problems) == sum(topic.pipeline for topic in ALL)
    assert all("set HOOKLINE_PARTITIONS=4" in problem for problem in problems)


@pytest.mark.parametrize(
    ("topic", "configs", "words"),
    [
        (
            WEBHOOKS,
            {"message_timestamp_type": "CreateTime"},
            "message.timestamp.type=LogAppendTime",
        ),
        (DUPLICATES, {"message_timestamp_type": "CreateTime"}, "decided by the broker's clock"),
        (ORDERS, {"max_message_bytes": "1048588"}, "max.message.bytes=4194304"),
        (ORDERS, {"cleanup_policy": "compact"}, "cleanup.policy=delete"),
        (ORDERS, {"cleanup_policy": "compact,delete"}, "cleanup.policy=delete"),
        (DUPLICATES, {"retention_ms": str(26 * DAY)}, "set its retention.ms to"),
        (CONTACTS, {"retention_ms": str(26 * DAY)}, "hookline topics configure"),
        (DEAD_LETTERS, {"retention_ms": str(27 * DAY - 1)}, "set its retention.ms to"),
        (ORDERS, {"retention_ms": str(7 * DAY)}, "set its retention.ms to"),
        (ORDERS, {"retention_bytes": "1000000"}, "set its retention.bytes to -1"),
    ],
)
def test_a_setting_that_would_lose_or_misjudge_records_is_refused(
    topic: Topic, configs: dict[str, str], words: str
) -> None:
    (problem,) = compare(changed(topic, **configs), SETTINGS)
    assert problem.startswith(SETTINGS.topic(topic))
    assert words in problem


@pytest.mark.parametrize(
    ("topic", "configs"),
    [
        (WEBHOOKS, {"retention_ms": str(7 * DAY)}),
        (DUPLICATES, {"retention_ms": str(27 * DAY)}),
        (DUPLICATES, {"retention_ms": "-1"}),
        (ORDERS, {"max_message_bytes": str(16 << 20)}),
        (INGRESS, {"message_timestamp_type": "LogAppendTime"}),
    ],
)
def test_a_setting_that_harms_nothing_is_accepted(topic: Topic, configs: dict[str, Any]) -> None:
    assert compare(changed(topic, **configs), SETTINGS) == []


def test_raw_records_kept_for_ever_need_outcomes_kept_for_ever() -> None:
    problems = compare(changed(WEBHOOKS, retention_ms="-1"), SETTINGS)
    assert [problem.partition(" ")[0] for problem in problems] == [
        "x_hookline.contacts",
        "x_hookline.duplicates",
        "x_hookline.dead-letters",
    ]
    assert all(problem.endswith("set its retention.ms to -1") for problem in problems)


def test_topics_as_declared_differ_in_nothing() -> None:
    assert differences(as_declared(), SETTINGS) == []
    assert differences({}, SETTINGS) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("compression_type", "zstd"),
        ("segment_ms", "604800000"),
        ("unclean_leader_election_enable", "true"),
        ("min_insync_replicas", "0"),
        ("cleanup_policy", "compact"),
        ("retention_ms", str(DAY)),
        ("retention_bytes", "1000000"),
        ("max_message_bytes", "1000"),
        ("message_timestamp_type", "CreateTime"),
    ],
)
def test_each_setting_that_somebody_changed_is_named_with_its_declared_value(
    setting: str, value: str
) -> None:
    (found,) = differences(changed(WEBHOOKS, **{setting: value}), SETTINGS)
    assert str(found).startswith(f"x_hookline.webhooks has {setting.replace('_', '.')}={value},")


@pytest.mark.parametrize(
    ("topic", "setting", "value"),
    [
        (INGRESS, "retention_ms", "-1"),
        (INGRESS, "retention_ms", str(400 * DAY)),
        (WEBHOOKS, "max_message_bytes", str(10 << 20)),
    ],
)
def test_more_than_what_is_declared_is_no_difference(
    topic: Topic, setting: str, value: str
) -> None:
    assert differences(changed(topic, **{setting: value}), SETTINGS) == []


@pytest.mark.parametrize("topic", [WEBHOOKS, DEAD_LETTERS, CONTACTS])
def test_personal_data_that_is_kept_longer_than_declared_is_named(topic: Topic) -> None:
    days = 30 if topic == WEBHOOKS else 34
    (found,) = differences(changed(topic, retention_ms=str(days * DAY)), SETTINGS)
    assert (found.topic, found.setting) == (SETTINGS.topic(topic), "retention.ms")


def test_nothing_that_holds_personal_data_outlives_a_month() -> None:
    for topic in (topic for topic in ALL if topic.is_personal):
        configs = topic_configs(topic, SETTINGS)
        assert int(configs["retention.ms"]) + int(configs["segment.ms"]) <= 30 * DAY


def test_three_replicas_are_declared_to_acknowledge_by_two() -> None:
    three = replace(SETTINGS, replication_factor=3)
    assert topic_configs(ORDERS, three)["min.insync.replicas"] == "2"


@pytest.mark.parametrize(("replicas", "is_named"), [(2, True), (3, False), (5, False)])
def test_more_replicas_in_sync_are_declared_wrong_where_no_broker_could_be_away(
    replicas: int, is_named: bool
) -> None:
    found = changed(ORDERS, min_insync_replicas="2")
    name = SETTINGS.topic(ORDERS)
    found[name] = replace(found[name], replicas=replicas)
    assert bool(differences(found, SETTINGS)) is is_named
