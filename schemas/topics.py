"""Every topic and consumer group, declared once.

Names are base names: the prefix of the settings is put before them (``Topic.named``).
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MIB = 1 << 20
MAX_BODY = MIB
"""Largest body that the ingress accepts, in bytes, also after decompression."""

RAW_RETENTION = timedelta(days=24)
SEGMENT = timedelta(days=1)
"""Of topics with a retention: records go when the newest of their segment is too old."""
OUTCOME_RETENTION = timedelta(days=28)
"""Raw retention + the dedupe window + a day: an outcome outlives its delivery.

With segments of a day nothing that holds personal data outlives a month.
"""


class Group(StrEnum):
    """Consumer groups."""

    PROCESSORS = "hookline.processors"
    SINKS = "hookline.sinks"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its content, writer, readers and retention.

    ``record`` is the base name of its Avro record under ``avro/``, None for raw bytes.
    ``retention`` None keeps records for ever. ``log_append_time``: the broker sets timestamps.
    ``is_personal``: it holds contact data, so it keeps records no longer than declared.
    ``pipeline``: the topic has the pipeline's partition count, and an outcome has the partition
    of its raw record. ``is_compacted``: of each key only the newest record is kept.
    """

    name: str
    description: str
    key: str
    writer: str
    readers: str
    record: str | None = None
    retention: timedelta | None = None
    max_message_bytes: int = 4 * MIB
    log_append_time: bool = True
    pipeline: bool = True
    is_personal: bool = False
    is_compacted: bool = False

    def named(self, prefix: str) -> str:
        """Return the topic's name on the broker."""
        return f"{prefix}{self.name}"

    def subject(self, prefix: str) -> str:
        """Return the registry's subject for its values (TopicNameStrategy)."""
        return f"{self.named(prefix)}-value"


def _canonical(noun: str, description: str, readers: str = "sinks, your services") -> Topic:
    return Topic(
        name=f"hookline.{noun}",
        description=description,
        key="the event's own entity (source/shop/kind:id)",
        writer="processors",
        readers=readers,
        record=noun,
    )


WEBHOOKS = Topic(
    name="hookline.webhooks",
    description="Deliveries as received, with proven origin: original bytes, headers hookline-*.",
    key="source/shop/kind:id",
    writer="ingest",
    readers="processors",
    retention=RAW_RETENTION,
    max_message_bytes=2 * MIB,
    is_personal=True,
)
INGRESS = Topic(
    name="hookline.ingress",
    description="A heartbeat of every ingress each 5 s, with its counts (JSON).",
    key="ingress id",
    writer="ingest",
    readers="sinks (watermark), operators",
    retention=RAW_RETENTION,
    max_message_bytes=MIB,
    pipeline=False,
)
DECISIONS = Topic(
    name="hookline.decisions",
    description="What holds for the log: losses given up, fingerprint of the contact key (JSON).",
    key="kind/partition",
    writer="processors, hookline accept-loss, accept-key",
    readers="processors, hookline audit, doctor",
    max_message_bytes=MIB,
    pipeline=False,
)
ERASURES = Topic(
    name="hookline.erasures",
    description="Who was erased, by keyed hash and customer key; no address (JSON).",
    key="erasure/subject, or rotation/hash",
    writer="hookline people, processors",
    readers="processors, sinks, hookline people",
    max_message_bytes=MIB,
    pipeline=False,
    is_compacted=True,
)
DEAD_LETTERS = Topic(
    name="hookline.dead-letters",
    description="Deliveries that no event could be made of: original bytes, reason, field path.",
    key="raw key",
    writer="processors",
    readers="sinks (counts), hookline dead, operators",
    retention=OUTCOME_RETENTION,
    is_personal=True,
)
DUPLICATES = Topic(
    name="hookline.duplicates",
    description="A small record for each repeated delivery, naming what it repeats (JSON).",
    key="raw key",
    writer="processors",
    readers="hookline audit",
    retention=OUTCOME_RETENTION,
    max_message_bytes=MIB,
)
CARTS = _canonical("carts", "Carts as reported by their platforms.")
ORDERS = _canonical("orders", "Orders as reported by their platforms.")
CUSTOMERS = _canonical("customers", "Customers: ids, keyed hash of the e-mail address, consent.")
SUBSCRIPTIONS = _canonical("subscriptions", "Subscriptions as reported by their platforms.")
PAYMENTS = _canonical(
    "payments", "Transactions, invoices, credits; secondary events order by version, not offset."
)
SHIPMENTS = _canonical("shipments", "Shipments; secondary events order by version, not offset.")
CONSENTS = _canonical("consents", "Customers' consents to be contacted.")
CONTACTS = Topic(
    name="hookline.contacts",
    description="Contact data by customer: names, e-mail addresses, telephone numbers.",
    key="customer (source/shop/customer:id)",
    writer="processors",
    readers="sinks",
    record="contacts",
    retention=OUTCOME_RETENTION,
    is_personal=True,
)
CART_SIGNALS = Topic(
    name="hookline.cart-signals",
    description="Carts abandoned, recovered, retracted, expired: found by the sinks, sent once.",
    key="cart (source/shop/cart:id)",
    writer="sinks",
    readers="your services",
    record="cart-signals",
)

PERMANENT = (CARTS, ORDERS, CUSTOMERS, SUBSCRIPTIONS, PAYMENTS, SHIPMENTS, CONSENTS)
"""Topics from which the tables can be built at any time: they keep every event."""

CANONICAL = (*PERMANENT, CONTACTS)
"""Topics that processors write and sinks read."""

OUTCOMES = (*CANONICAL, DUPLICATES, DEAD_LETTERS)
"""Topics that hold the outcomes of deliveries."""

ALL = (WEBHOOKS, INGRESS, DECISIONS, ERASURES, *OUTCOMES, CART_SIGNALS)

BY_RECORD = {topic.record: topic for topic in ALL if topic.record}
"""Base name of an Avro record -> its topic."""
