"""The table of rights: what each principal does in Kafka, and no more.

A right that another one implies is left out: Read and Write imply Describe, AlterConfigs implies
DescribeConfigs. tests/integration/secured/test_kafka_rights.py runs each stage with exactly its
rights, and without each of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.topics import (
    CANONICAL,
    CART_SIGNALS,
    DEAD_LETTERS,
    DECISIONS,
    ERASURES,
    INGRESS,
    OUTCOMES,
    WEBHOOKS,
    Group,
    Topic,
)

TOPIC, GROUP, CLUSTER = "topic", "group", "cluster"
EVERY_TOPIC = "hookline."
"""How the names of all our topics begin, after the prefix of the settings."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal may do, on which topics and groups (none: the cluster), and what for."""

    operations: tuple[str, ...]
    on: tuple[Topic | Group | str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Right:
    """One ACL. ``name`` has the prefix of the settings, and is empty for the cluster.

    ``is_prefix``: it holds for all names that begin so.
    """

    operation: str
    resource: str
    name: str
    is_prefix: bool
    reason: str

    def __str__(self) -> str:
        """Name it as the stages' refusals do."""
        return f"{self.operation} on the {self.resource} {self.name}".rstrip()


_PROCESSED = (WEBHOOKS, DECISIONS, ERASURES, *OUTCOMES)
_SUNK = (*CANONICAL, INGRESS, WEBHOOKS, DEAD_LETTERS, CART_SIGNALS, ERASURES)
_CHECKED = "settings of the topics, checked before the stage starts"

GRANTS: Mapping[str, tuple[Grant, ...]] = {
    "ingest": (Grant(("Write",), (WEBHOOKS, INGRESS), "deliveries, heartbeats"),),
    "process": (
        Grant(("Read",), (WEBHOOKS,), "deliveries"),
        Grant(("Read",), (Group.PROCESSORS,), "its consumer group"),
        Grant(("Read", "Write"), (DECISIONS,), "decisions; fingerprint of the contact key"),
        Grant(("Read", "Write"), (ERASURES,), "who was erased; rotations of the contact key"),
        Grant(("Read", "Write"), OUTCOMES, "outcomes; the dedupe index, recovered from them"),
        Grant(("DescribeConfigs",), _PROCESSED, _CHECKED),
    ),
    "sink": (
        Grant(("Read",), CANONICAL, "events"),
        Grant(("Read",), (Group.SINKS,), "its consumer group"),
        Grant(("Read",), (INGRESS,), "heartbeats, for the watermark"),
        Grant(("Describe",), (WEBHOOKS,), "end offsets, for the watermark; no delivery is read"),
        Grant(("Describe",), (Group.PROCESSORS,), "its commits, for the watermark"),
        Grant(("Read",), (DEAD_LETTERS,), "counts of dead letters"),
        Grant(("Read",), (ERASURES,), "who was erased; rotations of the contact key"),
        Grant(("Read", "Write"), (CART_SIGNALS,), "signals; which were sent already"),
        Grant(("DescribeConfigs",), _SUNK, _CHECKED),
    ),
    "operator": (
        Grant(
            ("Read", "DescribeConfigs"),
            (EVERY_TOPIC,),
            "audit, dead, why, journey, listen, dashboard, people, import",
        ),
        Grant(
            ("Describe",),
            (Group.PROCESSORS,),
            "audit, doctor, journey, status, accept-loss, accept-key",
        ),
        Grant(("Describe",), (Group.SINKS,), "people: whether sinks run; status"),
        Grant(("DescribeConfigs",), (), "doctor: settings of the brokers"),
        Grant(("Write",), (DECISIONS,), "accept-loss, accept-horizon, accept-key"),
        Grant(("Write",), (ERASURES,), "people forget, allow, rotate-key"),
        Grant(("Write",), (WEBHOOKS,), "dead replay, import, reconcile"),
        Grant(("Write",), OUTCOMES, "audit --repair"),
    ),
    "setup": (
        Grant(("Create", "Describe", "DescribeConfigs"), (EVERY_TOPIC,), "topics create"),
        Grant(("AlterConfigs",), (EVERY_TOPIC,), "topics configure"),
    ),
    "analyst": (),
}
"""Principal -> its grants. ``analyst`` reads PostgreSQL and has no right in Kafka."""


def rights(principal: str, prefix: str = "") -> list[Right]:
    """Return the ACLs of a principal, each operation on each resource once."""
    return list(_rights(GRANTS[principal], prefix))


def _rights(grants: Iterable[Grant], prefix: str) -> Iterator[Right]:
    for grant in grants:
        for operation in grant.operations:
            for each in grant.on:
                kind, name = _resource(each)
                is_prefix = each == EVERY_TOPIC
                yield Right(operation, kind, f"{prefix}{name}", is_prefix, grant.reason)
            if not grant.on:
                yield Right(operation, CLUSTER, "", is_prefix=False, reason=grant.reason)


def _resource(each: Topic | Group | str) -> tuple[str, str]:
    if isinstance(each, Topic):
        return TOPIC, each.name
    return (GROUP, each.value) if isinstance(each, Group) else (TOPIC, each)
