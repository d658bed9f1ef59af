"""What an adapter does not know is counted by platform and event; drift counts it by name."""

from decimal import Decimal

import pytest

from hookline.shops.unknown_fields import MAX_NAMES, unknown_fields
from hookline.shops.unknown_fields import UnknownFields as UnknownNames
from processors.sources import ADAPTERS, notes
from processors.unknown_fields import OTHER, UnknownFields
from tests.example_files import Example, examples
from tests.unit.processors.sources.deliveries import delivery, sample

GOOTEN = "gooten/order-item-changed"


def counted(source: str, event: str, body: object) -> dict[tuple[str, str], int]:
    unknown = UnknownFields()
    adapter = unknown.counting(source, ADAPTERS[source])
    given = delivery(source, event, body)  # type: ignore[arg-type]
    adapter.events(given, adapter.parse(given))  # type: ignore[arg-type]
    counts = {(source, label): count for source, label, count in unknown.take()}
    assert not list(unknown.take())
    return counts


ORDER_CREATED = ("run-free", "order-created")


def test_a_field_that_no_list_names_is_counted_and_never_kept() -> None:
    body = sample("run-free/order-created")
    assert counted("run-free", "", body) == {}
    body["data"]["novelty"] = "Anna"
    body["data"]["customer"]["phone2"] = "Anna"
    body["data"]["items"][0]["novelty"] = {"a": "Anna", "b": ["Anna"]}
    assert counted("run-free", "", body) == {ORDER_CREATED: 3}
    given = delivery("run-free", "", body)
    adapter = ADAPTERS["run-free"]
    assert "Anna" not in str(adapter.events(given, adapter.parse(given)))  # type: ignore[arg-type]
    assert unknown_fields(given.raw, given.body) == {
        "data.novelty",
        "data.customer.phone2",
        "data.items[].novelty",
    }


def test_unknown_fields_are_counted_by_delivery_and_their_names_are_bounded() -> None:
    found = UnknownNames()
    body = sample("run-free/order-created")
    for number in range(3):
        names = {f"n{number}x{each}": 1 for each in range(400)}
        given = delivery("run-free", "", {**body, "data": {**body["data"], **names, "often": 1}})
        found.add(given.raw, given.body)
    assert found.deliveries["run-free/demo", given.raw.event, "data.often"] == 3
    assert (len(found.deliveries), found.omitted) == (MAX_NAMES, 201)
    found.add(given.raw, b"no document")
    assert len(found.deliveries) == MAX_NAMES


def test_a_line_is_counted_once_though_its_parcel_repeats_it() -> None:
    body = sample(GOOTEN)
    body["Items"][0]["Novelty"] = "x"
    assert list(counted("gooten", "", body).values()) == [1]


def test_a_rounded_amount_is_counted_as_such_and_is_no_unknown_field() -> None:
    body = sample("run-free/order-created")
    body["data"]["taxes"] = 8.319999999999999
    body["data"]["items"][0]["taxes"] = 0.166667
    body["data"]["ordered"] = "yesterday"
    unknown = UnknownFields()
    adapter = unknown.counting("run-free", ADAPTERS["run-free"])
    given = delivery("run-free", "", body)
    for _ in range(2):
        slots = adapter.events(given, adapter.parse(given))  # type: ignore[arg-type]
    assert slots["order"].tax_total == Decimal("8.32")  # type: ignore[index,union-attr]
    noted = {"rounded:data.taxes", "rounded:data.items[0].taxes", "unread:data.ordered"}
    assert noted <= set(slots["order"].attributes)  # type: ignore[index]
    assert list(unknown.take_rounded()) == [(*ORDER_CREATED, 4)]
    assert not list(unknown.take())


def test_a_rejected_delivery_counts_nothing() -> None:
    assert counted("gooten", "", {**sample(GOOTEN), "Id": None, "Novelty": 1}) == {}


def test_labels_stay_bounded_whatever_word_of_an_open_family_comes() -> None:
    body = {**sample("spiffy/orders-paid"), "novelty": 1}
    labels = {next(iter(counted("spiffy", f"orders/word{n}", body))) for n in range(50)}
    assert labels == {("spiffy", OTHER)}


def test_every_known_event_has_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "unknown_fields", lambda: [("", ("one",))])

    def label(example: Example) -> tuple[str, str]:
        return next(iter(counted(example.platform, example.told["event"], example.body)))

    labels = {label(example) for example in examples()}
    known = {(source, word) for source, adapter in ADAPTERS.items() for word in adapter.event_names}
    assert len(labels) == len(known)
    assert OTHER not in {event for _, event in labels}
