"""Every example delivery gives exactly the events, or the reject, that stand beside it."""

import json
import re

import msgspec
import pytest

from ingest import sources
from processors.sources import ADAPTERS
from schemas.codec import Codec
from schemas.envelopes import Reject
from schemas.events import RECORDS, TOPIC_OF, Shipment
from schemas.keys import slug
from tests.example_files import (
    EXPECTED,
    Example,
    as_told,
    bodies,
    examples,
    expectations,
    rejects,
    verdict,
)

EXAMPLES = examples()
NAMES = [example.name for example in EXAMPLES]
REJECTS = rejects()
XML = [example for example in EXAMPLES if example.path.suffix == ".xml"]
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})


def test_every_body_has_an_expectation_and_every_expectation_its_body() -> None:
    with_body = {f"{path.parent.name}/{path.stem}" for path in bodies()}
    with_expectation = {
        f"{path.parent.name}/{path.name.removesuffix(EXPECTED)}" for path in expectations()
    }
    assert with_expectation == with_body


def test_every_event_has_an_example() -> None:
    every = {
        (platform, word) for platform, adapter in ADAPTERS.items() for word in adapter.event_names
    }
    assert {(example.platform, example.told["event"]) for example in EXAMPLES} == every


def test_every_example_says_whether_it_was_published_and_why_it_is_here() -> None:
    for example in [*EXAMPLES, *REJECTS]:
        assert isinstance(example.told["published"], bool)
        assert example.told["note"]


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_a_body_gives_exactly_its_expected_events(example: Example) -> None:
    parsed, slots = example.run()
    found = [(slot, TOPIC_OF[type(event)], event) for slot, event in slots.items()]
    assert found == example.events()
    assert (parsed.event, parsed.rule) == (example.told["event"], example.told["rule"])


@pytest.mark.parametrize("example", REJECTS, ids=lambda example: example.name)
def test_a_body_that_must_be_rejected_names_its_reason_and_place(example: Example) -> None:
    made = verdict(example.delivery())
    assert isinstance(made, Reject)
    assert msgspec.to_builtins(made) == example.told["reject"]


@pytest.mark.parametrize(
    "example", [*EXAMPLES, *REJECTS], ids=[*NAMES, *(example.name for example in REJECTS)]
)
def test_an_expectation_stands_as_the_refresh_would_write_it(example: Example) -> None:
    assert json.loads(json.dumps(as_told(example))) == example.told


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_ingress_and_adapter_agree_on_key_event_and_file_name(example: Example) -> None:
    event, key = sources.read(
        sources.SOURCES[example.platform], "demo", example.told["event"], example.body
    )
    assert key is not None
    assert (event, key.decode()) == (example.told["event"], example.told["key"])
    assert example.slug == slug(event) or example.slug.startswith(f"{slug(event)}-")


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_an_event_encodes_and_decodes_to_itself(example: Example) -> None:
    for event in example.run()[1].values():
        assert CODEC.decode(CODEC.encode(event)) == event


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_primary_event_is_keyed_by_the_raw_key(example: Example) -> None:
    _, slots = example.run()
    first = next(iter(slots.values()))
    assert first.meta.entity == example.told["key"]
    assert all(event.meta.slot == slot for slot, event in slots.items())


@pytest.mark.parametrize("example", XML, ids=lambda example: example.name)
def test_a_body_in_xml_gives_the_events_of_its_json(example: Example) -> None:
    (json_body,) = [e for e in EXAMPLES if e.name == example.name.removesuffix("-xml")]
    assert example.run()[1] == json_body.run()[1]
    assert (example.key(), example.told["rule"]) == (json_body.key(), json_body.told["rule"])


def test_every_event_of_spiffy_has_an_example_in_xml_and_names_are_spelled_both_ways() -> None:
    told = {example.told["event"] for example in XML}
    assert told == ADAPTERS["spiffy"].event_names
    for noun in ("carts", "orders", "customers", "customer_credits"):
        named = b"".join(e.body for e in XML if e.told["event"].startswith(f"{noun}/"))
        assert re.search(rb"<[a-z]+-[a-z]", named), noun
        assert re.search(rb"<[a-z]+_[a-z]", named), noun


def test_the_items_of_an_order_go_from_new_to_delivered_in_any_case() -> None:
    life = [e for e in EXAMPLES if e.platform == "gooten" and re.search(r"-[1-5]-", e.slug)]
    made = [example.run()[1] for example in life]
    assert len({slots["order"].meta.entity for slots in made}) == 1
    assert [getattr(slots["order"], "fulfillment_word", None) for slots in made] == [
        "new",
        "InProduction",
        None,
        "Shipped",
        "Delivered",
    ]
    parcels = [
        {slot: event.status.value for slot, event in slots.items() if isinstance(event, Shipment)}
        for slots in made
    ]
    assert parcels == [
        {},
        {},
        {"shipment-1": "SHIPPED"},
        {"shipment-1": "SHIPPED", "shipment-2": "SHIPPED"},
        {"shipment-1": "DELIVERED", "shipment-2": "DELIVERED"},
    ]


PERSONAL = re.compile(
    r"\b(jeanne|moulin|anne|dupond|nathalie|dupont|marie|thomas|cedric|youn|frodo|baggins|alina"
    r"|magicworld|john doe|sam|buyer|jeremy|tellier|test customer|1688 lake|webster|bittersweet"
    r"|jaures|hobbiton|bag end|0604000000|0600000000|0200000000|0600008888|0610000000"
    r"|15558675309|15855008509|80507894586|xxxxxxxxxx|555-0100|192\.168|femme|homme|entre 35"
    r"|subscribe|cdn|st\. louis|14580|75000|548912|654812|sh1 1re|rings|the gate|too small|pdf"
    r"|track\.example|sr_live_pk)"
)
"""What the examples tell of people: names, addresses, numbers, notes, links, profile answers."""


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_no_personal_data_stands_outside_of_contact(example: Example) -> None:
    for event in example.run()[1].values():
        told = msgspec.to_builtins(event)
        told.pop("contact", None)
        text = json.dumps(told, ensure_ascii=False).lower()
        assert PERSONAL.findall(text) == []
        assert "@" not in text


def test_the_examples_do_tell_personal_data() -> None:
    told = " ".join(path.read_text().lower() for path in bodies())
    assert len(set(PERSONAL.findall(told))) > 40
