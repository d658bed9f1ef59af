"""What no canonical field holds is counted by platform and event, never by the field's name."""

from decimal import Decimal

from processors.sources import ADAPTERS
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


def test_a_field_more_is_one_more_in_the_count() -> None:
    body = sample("run-free/order-created")
    (labels, before), *_ = counted("run-free", "", body).items()
    body["data"]["novelty"] = 1
    body["data"]["items"][0]["novelty"] = {"a": 1, "b": [2]}
    assert labels == ("run-free", "order-created")
    assert counted("run-free", "", body)[labels] == before + 3


def test_a_person_among_the_new_fields_is_neither_kept_nor_counted() -> None:
    body = sample("run-free/order-created")
    before = counted("run-free", "", body)
    assert counted("run-free", "", {**body, "data": {**body["data"], "phone2": "1"}}) == before


def test_a_line_is_counted_once_though_its_parcel_repeats_it() -> None:
    body = sample(GOOTEN)
    (labels, before), *_ = counted("gooten", "", body).items()
    body["Items"][0]["Novelty"] = "x"
    assert counted("gooten", "", body)[labels] == before + 1


def test_a_rounded_amount_is_counted_as_such_and_is_no_unknown_field() -> None:
    body = sample("run-free/order-created")
    (labels, before), *_ = counted("run-free", "", body).items()
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
    assert list(unknown.take_rounded()) == [(*labels, 4)]
    assert list(unknown.take()) == [(*labels, 2 * before)]


def test_a_rejected_delivery_counts_nothing() -> None:
    assert counted("gooten", "", {**sample(GOOTEN), "Id": None}) == {}


def test_labels_stay_bounded_whatever_word_of_an_open_family_comes() -> None:
    body = sample("spiffy/orders-paid")
    labels = {next(iter(counted("spiffy", f"orders/word{n}", body))) for n in range(50)}
    assert labels == {("spiffy", OTHER)}


def test_every_known_event_has_its_own_label() -> None:
    def label(example: Example) -> tuple[str, str]:
        return next(iter(counted(example.platform, example.told["event"], example.body)))

    labels = {label(example) for example in examples()}
    known = {(source, word) for source, adapter in ADAPTERS.items() for word in adapter.event_names}
    assert len(labels) == len(known)
    assert OTHER not in {event for _, event in labels}
