"""Writes the lists of ``docs/privacy.md``: ``python -m tests.privacy_page``.

Every topic, every text field of a canonical record and every column that can hold text is in one
of the classes below, or among those that cannot hold a person's data. A new one has to be put
into one of them: a test fails until it is.
"""

import enum
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from schemas.events import RECORDS
from schemas.topics import ALL, Topic
from tests import ROOT

PAGE = ROOT / "docs" / "privacy.md"
TABLES = ROOT / "docs" / "tables.md"

TOPICS = {
    "hookline.webhooks": "everything that a platform sent of a person: body, query and headers",
    "hookline.dead-letters": "the same, of deliveries that could not become events, and the reason",
    "hookline.duplicates": "keys of entities, which may be ids of a person",
    "hookline.ingress": "nothing: counts of each ingress",
    "hookline.erasures": "who was erased, and hashes that a new contact key replaced",
    "hookline.decisions": "nothing: offsets, a fingerprint of the contact key",
    "hookline.carts": "",
    "hookline.orders": "",
    "hookline.customers": "",
    "hookline.contacts": "",
    "hookline.subscriptions": "",
    "hookline.payments": "",
    "hookline.shipments": "",
    "hookline.consents": "",
    "hookline.cart-signals": "",
}
"""Topic -> what of a person it can hold; empty: the fields of its record, which are listed."""


@dataclass(frozen=True, slots=True)
class Class:
    """A kind of personal data. ``names``: columns and fields, alone or as ``table.column``."""

    title: str
    meaning: str
    names: tuple[str, ...]


CLASSES = (
    Class(
        "contact",
        "who the person is and how to reach them",
        (
            "title",
            "first_name",
            "last_name",
            "email",
            "phone",
            "customer_contacts.name",
            "customer_contacts.layers",
            "customers.contact.name",
            "customers.contact.title",
            "contacts.contact.name",
            "contacts.contact.title",
        ),
    ),
    Class(
        "pseudonym",
        "the keyed hash of the e-mail address: who has the key and an address finds its rows",
        ("email_hash", "person_key"),
    ),
    Class(
        "id of the person",
        "as the platform numbers its customers; of a guest the keyed hash",
        (
            "customer_id",
            "customer_key",
            "customer_keys",
            "link_key",
            "links",
            "scope_id",
            "erasures.record_key",
        ),
    ),
    Class(
        "id of what the person did",
        "carts, orders, payments, parcels; what the platform knows leads to the person",
        (
            "cart_id",
            "cart_key",
            "cart_token",
            "native_cart_id",
            "order_id",
            "order_key",
            "order_number",
            "previous_order_key",
            "line_id",
            "payment_id",
            "payment_key",
            "refund_id",
            "shipment_id",
            "shipment_key",
            "subscription_id",
            "subscription_key",
            "native_id",
            "consent_id",
            "consent_key",
            "total_key",
            "tracking_number",
            "delivery_id",
            "event_id",
            "source_event_id",
            "entity",
        ),
    ),
    Class(
        "text of others",
        "what a platform or a shop wrote; it should hold no person's data and can",
        (
            "attributes",
            "name",
            "items",
            "plan_name",
            "plan_id",
            "sku",
            "product_id",
            "variant_id",
            "code",
            "carrier",
            "channel",
            "status_word",
            "fulfillment_word",
            "method_word",
            "state_word",
            "interval",
            "source_event",
            "layers",
        ),
    ),
    Class(
        "whole records",
        "records or folds as they were read, with everything that is in them",
        (
            "activity",
            "fold",
            "sink_rejects.record_key",
            "sink_rejects.record_value",
            "sink_rejects.detail",
            "outbox.record",
            "erasures.entry",
        ),
    ),
    Class(
        "text of operators",
        "why somebody settled a dead letter: write no names there",
        ("letter_marks.reason",),
    ),
)

NOT_PERSONAL = frozenset(
    [
        "basis",
        "cleared",
        "cluster_id",
        "currency",
        "currency_source",
        "detection",
        "digest",
        "held_by",
        "holder",
        "import_id",
        "ineligible_reason",
        "interval_from",
        "kind",
        "last_event_id",
        "link_method",
        "mark",
        "no_recovery_reason",
        "order_standing",
        "orders_version",
        "reason",
        "segment",
        "shop",
        "shop_currency",
        "shops",
        "slot",
        "source",
        "standing",
        "state",
        "status",
        "tax_basis",
        "time_basis",
        "timezone",
        "topic",
        "value_reason",
        "value_source",
        "signal_id",
        "schema_migrations.name",
        "erasures.receipt",
    ]
)
"""Closed lists of ours, names of shops, and what the sinks keep about their own work."""

_OPEN = re.compile(r"(text|jsonb|bytea|text\[\])(,|$)")
_TABLE = re.compile(r"^### (\w+)\n(.*?)(?=^##|\Z)", re.DOTALL | re.MULTILINE)
_COLUMN = re.compile(r"^\| `(\w+)` \| ([^|]*?) \|", re.MULTILINE)


def columns() -> Iterator[tuple[str, str]]:
    """Table and column of every column that can hold any text."""
    _, _, dictionary = TABLES.read_text().partition("<!-- dictionary: begin -->")
    for table, body in _TABLE.findall(dictionary):
        for column, kind in _COLUMN.findall(body):
            if _OPEN.match(kind):
                yield table, column


def fields(record: type, path: str = "") -> Iterator[str]:
    """Paths of the fields of a record that can hold any text."""
    for name, kind in typing.get_type_hints(record).items():
        inner = {each for each in _types(kind) if isinstance(each, type)}
        for each in inner:
            if hasattr(each, "__struct_fields__"):
                yield from fields(each, f"{path}{name}.")
        if any(issubclass(each, str) and not issubclass(each, enum.Enum) for each in inner):
            yield f"{path}{name}"


def _types(kind: object) -> Iterator[object]:
    yield kind
    for inner in typing.get_args(kind):
        yield from _types(inner)


def class_of(owner: str, name: str) -> Class | None:
    """The class of a column or field; that of its whole name goes first.

    None for what cannot hold a person's data. Raises LookupError for what is in no list.
    """
    last = name.rpartition(".")[2]
    for key in (f"{owner}.{name}", last):
        for each in CLASSES:
            if key in each.names:
                return each
        if key in NOT_PERSONAL:
            return None
    raise LookupError(
        f"{owner}.{name} is in no class of tests/privacy_page.py: can it be personal?"
    )


def retention(topic: Topic) -> str:
    """How long a record stays."""
    return "for ever" if topic.retention is None else f"{topic.retention // timedelta(days=1)} days"


def topics_list() -> str:
    """The table of topics."""
    lines = ["| topic | of a person it holds | how long | read by |", "|---|---|---|---|"]
    for topic in ALL:
        holds = TOPICS[topic.name]
        if topic.record is not None:
            holds = _by_class(topic.record)
        lines.append(f"| `{topic.name}` | {holds} | {retention(topic)} | {topic.readers} |")
    return "\n".join(lines)


def _by_class(record: str) -> str:
    named: dict[str, list[str]] = {}
    for path in fields(RECORDS[record]):
        if (found := class_of(record, path)) is not None:
            named.setdefault(found.title, []).append(f"`{path}`")
    order = [each.title for each in CLASSES if each.title in named]
    return "; ".join(f"{title}: {', '.join(sorted(named[title]))}" for title in order)


def columns_list() -> str:
    """The table of columns."""
    found: dict[str, dict[str, list[str]]] = {each.title: {} for each in CLASSES}
    for table, column in columns():
        if (of := class_of(table, column)) is not None:
            found[of.title].setdefault(column, []).append(table)
    lines = ["| class | column | in |", "|---|---|---|"]
    for title, by_column in found.items():
        for column, tables in by_column.items():
            names = ", ".join(f"`{table}`" for table in tables)
            lines.append(f"| {title} | `{column}` | {names} |")
    return "\n".join(lines)


def classes_list() -> str:
    """The table of classes."""
    rows = (f"| {each.title} | {each.meaning} |" for each in CLASSES)
    return "\n".join(["| class | what it is |", "|---|---|", *rows])


def page() -> str:
    """The page with its lists as they must be."""
    text = PAGE.read_text()
    for name, made in (
        ("classes", classes_list()), ("topics", topics_list()), ("columns", columns_list()),
    ):  # fmt: skip
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    Path(PAGE).write_text(page())
