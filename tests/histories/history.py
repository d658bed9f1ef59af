"""How a scripted history is written, and how its rows are read.

A history is one TOML file:

    title = "what it shows, in a sentence"
    rules = ["names of rules.py"]
    watermark = "+3h"             # time has come this far when the rows are read
    [shop]                        # all of it may be left out
    source = "spiffy"
    abandon_after = "60m"
    [[events]]                    # in the order in which they arrive
    kind = "cart"                 # or order, customer, consent, ..., or watermark: time goes on
    id = "c1"
    at = "+0m"
    items = ["tee", "2 mug @ 4.50"]
    [[abandoned_carts]]           # the rows, by key; only the columns that matter
    cart_key = "c1"
    abandoned_at = "+60m"

Times count from 2026-01-01 12:00 UTC ("+65m", "-2d3h"), or are written out ("2026-01-05
09:30"). Money is quoted, "null" means not given. Keys are the platform's own ids; a guest
is "guest:" and the address. ``received`` is when an event came, if it came late, ``version`` the
change time that the source gives, ``imported`` that an import brought it, ``history_from`` back to
when the import states the history to reach. Any other key of an event is a field of its canonical
record. A cart holds one tee at 10, and the first event of an order gives goods for 50, paid, unless
the event sets them.
"""

import hashlib
import re
import tomllib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from schemas.events import RECORDS, Change, Event, Meta, Micros, ShopSettings, TimeBasis
from schemas.keys import entity_key
from schemas.platforms import PLATFORMS
from sinks.merge.event_fields import Fields

FOLDER = Path(__file__).parent
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
"""Table -> rows, ordered by key."""

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "us": "microseconds"}
_DURATION = re.compile(r"(\d+)(d|h|us|m|s)")
_ITEM = re.compile(r"(?:(\d+) )?(.+?)(?: @ (\S+))?")
_AMOUNT = re.compile(r"-?\d+(\.\d+)?")
_STATUS = {"run-free": "PLACED", "ciklik": "COMPLETED", "gooten": "UNKNOWN"}
_OF_META = (
    "at", "received", "version", "change", "is_test", "settings", "shop", "source", "imported",
    "history_from",
)  # fmt: skip
_KEYS = ("cart_key", "order_key", "customer_key", "subscription_key", "cohort_month", "day")
_OWN_FIELDS = {"token": "cart_token", "subscription": "subscription_id"}


@dataclass(frozen=True, slots=True)
class Passed:
    """Time passes: the watermark moves to ``at``."""

    at: Micros


@dataclass(frozen=True, slots=True)
class History:
    """A file, read. ``expected``: table -> rows with the columns that matter."""

    name: str
    title: str
    rules: tuple[str, ...]
    steps: tuple[Event | Passed, ...]
    watermark: Micros
    expected: Mapping[str, Sequence[Row]]

    @property
    def events(self) -> list[Event]:
        """The events, in the order in which they arrive."""
        return [step for step in self.steps if not isinstance(step, Passed)]

    @property
    def script(self) -> tuple[Event | Passed, ...]:
        """The steps, and the time at which the rows are read."""
        return (*self.steps, Passed(self.watermark))


def histories() -> dict[str, History]:
    """All of them, by the names of their files."""
    return {path.stem: load(path) for path in sorted(FOLDER.glob("*.toml"))}


def load(path: Path) -> History:
    """The history in a file. Raises ValueError or msgspec's errors for what it cannot mean."""
    document = tomllib.loads(path.read_text())
    name, shop = path.stem, document.pop("shop", {})
    known: set[str] = set()
    steps: list[Event | Passed] = []
    for number, each in enumerate(document.pop("events")):
        if each["kind"] == "watermark":
            steps.append(Passed(moment(each["at"])))
        else:
            steps.append(_event(dict(each), name, number, shop, known))
    return History(
        name=name,
        title=document.pop("title"),
        rules=tuple(document.pop("rules")),
        steps=tuple(steps),
        watermark=moment(document.pop("watermark")),
        expected={
            table: [{column: _cell(column, value) for column, value in row.items()} for row in rows]
            for table, rows in document.items()
        },
    )


def moment(text: str) -> Micros:
    """Microseconds of a time: "+65m" from the start, or "2026-01-05 09:30" (UTC)."""
    if text[0] in "+-":
        away = timedelta(microseconds=duration(text[1:]))
        at = START + (away if text[0] == "+" else -away)
    else:
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (at - EPOCH) // timedelta(microseconds=1)


def duration(text: str) -> int:
    """Microseconds of "65m" or "2d3h"."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write 2d3h, 65m or 1us")
    whole = sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    return whole // timedelta(microseconds=1)


def hashed(address: str) -> str:
    """Hash of an e-mail address in these histories."""
    return hashlib.sha256(address.encode()).hexdigest()


def shown(table: str, rows: Iterable[Row]) -> list[Row]:
    """Rows as a file writes them: short keys, plain values, microseconds for all times."""
    by = ORDER[table]
    return [
        {column: _plain(column, value) for column, value in row.items()}
        for row in sorted(rows, key=lambda row: [str(row[key]) for key in by])
    ]


ORDER = {
    "abandoned_carts": ("cart_key", "generation"),
    "cart_generations": ("cart_key", "generation"),
    "customer_lifetime_value": ("customer_key", "currency"),
    "orders": ("order_key",),
    "subscriptions": ("subscription_key",),
    "customers": ("customer_key",),
    "customer_contacts": ("customer_key",),
    "refunds": ("order_key", "position"),
    "coverage": ("source", "shop"),
    "carts_to_contact": ("cart_key", "generation"),
    "daily_cart_rates": ("source", "shop", "day"),
    "unattributed_orders": ("order_key",),
    "cohort_value": ("source", "shop", "currency", "cohort_month", "months_since"),
    "discount_codes": ("source", "shop", "currency", "code"),
    "order_intervals": ("customer_key",),
    "order_sequence": ("order_key",),
    "people": ("person_key", "currency"),
    "product_sales": ("source", "shop", "currency", "product_id", "variant_id", "sku", "name"),
    "refunds_by_day": ("source", "shop", "day", "currency", "basis"),
    "refunds_by_order_month": ("source", "shop", "month", "currency"),
    "shop_days": ("source", "shop", "day", "currency"),
    "signals": (),
}
"""Table -> what its rows are ordered by."""

_ADDRESSES: dict[str, str] = {}
"""Hash -> the address of a history."""


def _event(given: Fields, name: str, number: int, shop: Fields, known: set[str]) -> Event:
    kind, native = given.pop("kind"), given.pop("id")
    about = {key: given.pop(key) for key in _OF_META if key in given}
    source = about.get("source", shop.get("source", "run-free"))
    meta = _meta(kind, native, name, number, about, {**shop, "source": source})
    if meta.entity not in known:
        known.add(meta.entity)
        given = _first(kind, source, given)
    if kind == "cart":
        given = {"items": ["tee"], "abandoned": False, **given}
    fields = {_OWN_FIELDS.get(key, key): value for key, value in given.items()}
    fields = {key: _field(key, value) for key, value in fields.items() if value != "null"}
    identity = {
        "customer_id": fields.pop("customer", None),
        "email_hash": fields.pop("email", None),
        "accepts_marketing": fields.pop("accepts_marketing", None),
    }
    if kind == "customer":
        fields |= {"email_hash": identity["email_hash"]}
        fields |= {"accepts_marketing": identity["accepts_marketing"]}
    elif any(value is not None for value in identity.values()):
        fields["customer"] = identity
    fields |= {"meta": meta, f"{kind}_id": native}
    event: Event = msgspec.convert(fields, RECORDS[f"{kind}s"], from_attributes=True)
    return event


def _meta(kind: str, native: str, name: str, number: int, about: Fields, shop: Fields) -> Meta:
    at = moment(about["at"])
    received = moment(about["received"]) if "received" in about else at
    shop_id = f"{name}.{about.get('shop', 'main')}"
    return Meta(
        event_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}")),
        delivery_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}/delivery")),
        source=shop["source"],
        shop=shop_id,
        entity=entity_key(shop["source"], shop_id, kind, native),
        slot=kind,
        source_event=kind,
        change=Change(about.get("change", "UPDATED")),
        occurred_at=at,
        time_basis=TimeBasis.PAYLOAD,
        version_at=moment(about["version"]) if "version" in about else at,
        received_at=received,
        raw_partition=0,
        raw_offset=number,
        raw_appended_at=received,
        is_test=about.get("is_test", False),
        adapter_version=1,
        settings=_settings({**shop, **about.get("settings", {})}),
        import_id="an import" if about.get("imported") or "history_from" in about else None,
        history_from=moment(about["history_from"]) if "history_from" in about else None,
    )


def _settings(given: Fields) -> ShopSettings:
    def seconds(key: str, default: str) -> int:
        return duration(given.get(key, default)) // 1_000_000

    counts = given.get("counts_as_sale", PLATFORMS[given["source"]].counts_as_sale)
    return ShopSettings(
        currency=given.get("currency", "USD"),
        timezone=given.get("timezone", "UTC"),
        abandon_after_s=seconds("abandon_after", "60m"),
        expire_after_s=seconds("expire_after", "30d"),
        checkout_grace_s=seconds("checkout_grace", "30m"),
        taxes_included=given.get("taxes_included"),
        counts_as_sale=counts,
    )


def _first(kind: str, source: str, given: Fields) -> Fields:
    """Fields of an order's first event, with defaults for those that its history leaves out."""
    if kind != "order":
        return given
    priced = {} if {"items", "items_total"} & given.keys() else {"items_total": "50"}
    return {"status": _STATUS.get(source, "PAID"), **priced, **given}


def _field(key: str, value: Any) -> Any:
    if key.endswith("_at"):
        return moment(value)
    if key == "items":
        return [_item(each) for each in value]
    if key == "email":
        _ADDRESSES[hashed(value)] = value
        return hashed(value)
    return value


def _item(text: str | Fields) -> Fields:
    if not isinstance(text, str):
        return text
    match = _ITEM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no item: write '2 mug @ 4.50'")
    count, name, price = match.groups()
    known = {} if price == "?" else {"unit_price": price or "10"}
    return {"variant_id": name, "quantity": int(count or 1), **known}


def _cell(column: str, value: Any) -> Any:
    if value == "null":
        return None
    if isinstance(value, str) and column not in _KEYS:
        if column.endswith("_at") or column in ("as_of", "next_due"):
            return moment(value)
        if column == "time_to_recover":
            return duration(value)
        if _AMOUNT.fullmatch(value):
            return Decimal(value)
    return value


def _plain(column: str, value: Any) -> Any:  # noqa: PLR0911 - a table
    if value is None or isinstance(value, bool):
        return value
    if column == "items":
        return [_line(each) for each in msgspec.to_builtins(value)]
    if column == "shop":
        return value.partition(".")[2]
    if column.endswith("_key") or column == "email_hash":
        return _short(value)
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.value if isinstance(value, Enum) else value


def _line(line: Fields) -> str:
    names = (line.get(name) for name in ("variant_id", "product_id", "sku", "name"))
    return f"{line.get('quantity')} {next(filter(None, names), '')}"


def _short(key: str) -> str:
    kind, _, native = key.split("/", 2)[-1].rpartition(":")
    native = _ADDRESSES.get(native, native)
    return f"guest:{native}" if kind == "guest" else native
