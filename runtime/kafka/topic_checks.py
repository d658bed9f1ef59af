"""Requirements on topics, as pure functions: every refusal is tested without a broker."""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.kafka.reasons import unseen
from runtime.settings import Settings
from schemas.topics import ALL, OUTCOMES, SEGMENT, WEBHOOKS, Topic

MIN_IN_SYNC = 2
"""Replicas that acknowledge a record, where there are three."""
WINDOW_MS = 72 * 3600 * 1000
"""The dedupe window, by which outcomes must outlive raw records, in milliseconds."""

ANY: Mapping[Topic, str] = dict.fromkeys(ALL, "Describe")
"""All topics, for who only looks at them."""


@dataclass(frozen=True, slots=True)
class BrokerTopic:
    """A topic as the broker describes it. ``configs`` uses Kafka's names.

    ``replicas`` and ``in_sync`` are those of the partition that has fewest; ``in_sync`` None where
    nobody asked.
    """

    partitions: int
    replicas: int
    configs: dict[str, str | None]
    in_sync: int | None = None


def topic_configs(topic: Topic, settings: Settings) -> dict[str, str]:
    """Return a topic's declared settings under Kafka's names.

    A segment of a topic with a retention lasts a day: records go when the newest of their segment
    is too old.
    """
    retention = -1 if topic.retention is None else int(topic.retention.total_seconds() * 1000)
    segment = (
        {} if topic.retention is None else {"segment.ms": str(int(SEGMENT.total_seconds() * 1000))}
    )
    return segment | {
        "compression.type": "producer",
        "min.insync.replicas": str(min(MIN_IN_SYNC, max(settings.replication_factor - 1, 1))),
        "unclean.leader.election.enable": "false",
        "cleanup.policy": "compact" if topic.is_compacted else "delete",
        "retention.ms": str(retention),
        "retention.bytes": "-1",
        "max.message.bytes": str(topic.max_message_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.log_append_time else "CreateTime",
    }


def partition_count(topic: Topic, settings: Settings) -> int:
    """Return a topic's partition count: that of the pipeline, or one."""
    return settings.partitions if topic.pipeline else 1


def compare(
    existing: dict[str, BrokerTopic], settings: Settings, topics: Mapping[Topic, str] = ANY
) -> list[str]:
    """List the problems of these topics (by name on the broker), each with its remedy.

    ``topics``: with the right that we need on each, to be named where it is not to be seen.

    Partitions that somebody added to a topic are none: ``partition_counts.py`` leaves them out.
    The setting itself is wrong where no topic of the pipeline has as many.
    """
    problems = []
    is_setting_right = any(
        existing[name].partitions == settings.partitions
        for topic in topics
        if topic.pipeline and (name := settings.topic(topic)) in existing
    )
    for topic, right in topics.items():
        name = settings.topic(topic)
        if name not in existing:
            hint = unseen(settings, right)
            problems.append(f"{name} is missing: run `hookline topics create`{hint}")
            continue
        may_have_more = is_setting_right or not topic.pipeline
        problems += _compare_one(topic, name, existing[name], settings, may_have_more=may_have_more)
    return problems + _compare_retention(existing, settings)


def _compare_one(
    topic: Topic, name: str, existing: BrokerTopic, settings: Settings, *, may_have_more: bool
) -> list[str]:
    problems = []
    wanted = partition_count(topic, settings)
    if existing.partitions < wanted or (existing.partitions > wanted and not may_have_more):
        remedy = (
            f"set HOOKLINE_PARTITIONS={existing.partitions} if all the pipeline's topics have that "
            "many; otherwise this one was changed: restore it, or start under a new prefix"
            if topic.pipeline
            else "recreate it with one"
        )
        problems.append(
            f"{name} has {existing.partitions} partitions, not {wanted}. The count is fixed for a "
            f"topic's life: {remedy}"
        )
    configs = topic_configs(topic, settings)
    alter = f"kafka-configs --alter --entity-type topics --entity-name {name} --add-config"
    timestamps = "message.timestamp.type"
    if topic.log_append_time and existing.configs.get(timestamps) != configs[timestamps]:
        problems.append(
            f"{name} dates records by {existing.configs.get(timestamps)}, but repeats are decided "
            f"by the broker's clock: {alter} {timestamps}=LogAppendTime. Existing records keep "
            "their dates, so do it before the first record"
        )
    size = int(existing.configs.get("max.message.bytes") or 0)
    if size < topic.max_message_bytes:
        problems.append(
            f"{name} accepts records of {size} bytes, {topic.max_message_bytes} are needed: "
            f"{alter} max.message.bytes={topic.max_message_bytes}"
        )
    policy = configs["cleanup.policy"]
    if existing.configs.get("cleanup.policy") != policy:
        problems.append(
            f"{name} has cleanup.policy={existing.configs.get('cleanup.policy')}, which drops "
            f"records that are still needed: {alter} cleanup.policy={policy}"
        )
    return problems


def retention_ms(existing: BrokerTopic) -> float:
    """Return how long a topic keeps records, in milliseconds; infinity for unlimited."""
    retention = int(existing.configs.get("retention.ms") or -1)
    return float("inf") if retention < 0 else retention


def _compare_retention(existing: dict[str, BrokerTopic], settings: Settings) -> list[str]:
    """List outcome topics whose records do not outlive raw records by the dedupe window."""
    raw = existing.get(settings.topic(WEBHOOKS))
    if raw is None:
        return []
    problems = []
    needed = retention_ms(raw) + WINDOW_MS
    for topic in OUTCOMES:
        name = settings.topic(topic)
        outcome = existing.get(name)
        if outcome is None:
            continue
        if retention_ms(outcome) < needed:
            value = "-1" if needed == float("inf") else str(int(needed))
            problems.append(
                f"{name} keeps records {retention_ms(outcome) / 3.6e6:.0f} h, but raw records and "
                f"the window need {needed / 3.6e6:.0f} h: `hookline topics configure` sets what is"
                f" declared, or set its retention.ms to {value}"
            )
        if int(outcome.configs.get("retention.bytes") or -1) >= 0:
            problems.append(
                f"{name} is trimmed by size, which forgets outcomes: set its retention.bytes to -1"
            )
    return problems
