"""What the pipeline asks of its topics: pure, so that every refusal is tested without a broker."""

from dataclasses import dataclass

from runtime.settings import Settings
from schemas.topics import ALL, OUTCOMES, WEBHOOKS, Topic

WINDOW_MS = 72 * 3600 * 1000
"""The dedupe window that outcomes must outlive raw records by, milliseconds."""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker has it. ``configs`` are the broker's own words."""

    partitions: int
    replicas: int
    configs: dict[str, str | None]


def topic_configs(topic: Topic) -> dict[str, str]:
    """A topic's settings in the broker's words."""
    kept = -1 if topic.retention is None else int(topic.retention.total_seconds() * 1000)
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(kept),
        "retention.bytes": "-1",
        "max.message.bytes": str(topic.max_message_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.log_append_time else "CreateTime",
    }


def partition_count(topic: Topic, settings: Settings) -> int:
    """How many partitions a topic has: the pipeline's count, or one."""
    return settings.partitions if topic.pipeline else 1


def compare(found: dict[str, Found], settings: Settings) -> list[str]:
    """What is wrong with the topics ``found`` (by name on the broker), each with its remedy."""
    problems = []
    for topic in ALL:
        name = settings.topic(topic)
        if name not in found:
            problems.append(f"{name} is missing: run `hookline topics create`")
            continue
        problems += _compare_one(topic, name, found[name], settings)
    return problems + _compare_retention(found, settings)


def _compare_one(topic: Topic, name: str, found: Found, settings: Settings) -> list[str]:
    problems = []
    wanted = partition_count(topic, settings)
    if found.partitions != wanted:
        remedy = (
            f"set HOOKLINE_PARTITIONS={found.partitions} if all the pipeline's topics have that "
            "many; otherwise somebody changed this one: restore it, or start under a new prefix"
            if topic.pipeline
            else "recreate it with one"
        )
        problems.append(
            f"{name} has {found.partitions} partitions, not {wanted}. The count is fixed for a "
            f"topic's life: {remedy}"
        )
    configs = topic_configs(topic)
    alter = f"kafka-configs --alter --entity-type topics --entity-name {name} --add-config"
    timestamps = "message.timestamp.type"
    if topic.log_append_time and found.configs.get(timestamps) != configs[timestamps]:
        problems.append(
            f"{name} dates records by {found.configs.get(timestamps)}, but only the broker's "
            f"clock decides about repeats: {alter} {timestamps}=LogAppendTime. Records that "
            "stand there keep their dates, so do it before the first one"
        )
    size = int(found.configs.get("max.message.bytes") or 0)
    if size < topic.max_message_bytes:
        problems.append(
            f"{name} takes records of {size} bytes, {topic.max_message_bytes} are needed: "
            f"{alter} max.message.bytes={topic.max_message_bytes}"
        )
    if found.configs.get("cleanup.policy") != "delete":
        problems.append(
            f"{name} has cleanup.policy={found.configs.get('cleanup.policy')}, which drops "
            f"records that are still counted on: {alter} cleanup.policy=delete"
        )
    return problems


def retention_ms(found: Found) -> float:
    """How long a topic keeps records, milliseconds; infinity where it is for ever."""
    kept = int(found.configs.get("retention.ms") or -1)
    return float("inf") if kept < 0 else kept


def _compare_retention(found: dict[str, Found], settings: Settings) -> list[str]:
    """An outcome must outlive the raw record it answers for by the dedupe window."""
    raw = found.get(settings.topic(WEBHOOKS))
    if raw is None:
        return []
    problems = []
    needed = retention_ms(raw) + WINDOW_MS
    for topic in OUTCOMES:
        name = settings.topic(topic)
        outcome = found.get(name)
        if outcome is None:
            continue
        if retention_ms(outcome) < needed:
            value = "-1" if needed == float("inf") else str(int(needed))
            problems.append(
                f"{name} keeps records {retention_ms(outcome) / 3.6e6:.0f} h, but raw records and "
                f"the window need {needed / 3.6e6:.0f} h: set its retention.ms to {value}"
            )
        if int(outcome.configs.get("retention.bytes") or -1) >= 0:
            problems.append(
                f"{name} is trimmed by size, which forgets outcomes: set its retention.bytes to -1"
            )
    return problems
