"""Every example delivery gives exactly the events that stand beside it."""

import json
import re

import msgspec
import pytest

from ingest import sources
from processors.sources import ciklik, gooten, run_free, shoprocket, shoprocket_envelope, spiffy
from schemas.codec import Codec
from schemas.events import RECORDS, TOPIC_OF
from tests.example_files import EXPECTED, Example, as_told, bodies, examples, expectations

EXAMPLES = examples()
NAMES = [example.name for example in EXAMPLES]
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})

EVENTS: dict[str, frozenset[str]] = {
    "run-free": frozenset(run_free.RULES),
    "shoprocket": shoprocket.EVENTS
    | (frozenset(shoprocket_envelope.ORDER_EVENTS) | {"cart.abandoned"}),
    "spiffy": frozenset(spiffy.CARTS)
    | {f"orders/{verb}" for verb in ("create", "updated", "paid", "fulfilled", "cancelled")}
    | {"orders/delete", "customers/create", "customers/update", "customers/delete"}
    | {"customer_credits/create"},
    "ciklik": ciklik.EVENTS,
    "gooten": frozenset({gooten.EVENT}),
}
"""What we say we accept; of the open families orders/* and customers/*, the usual words."""


def test_every_body_has_an_expectation_and_every_expectation_its_body() -> None:
    with_body = {f"{path.parent.name}/{path.stem}" for path in bodies()}
    with_expectation = {
        f"{path.parent.name}/{path.name.removesuffix(EXPECTED)}" for path in expectations()
    }
    assert with_expectation == with_body


def test_every_event_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    every = {(platform, event) for platform, events in EVENTS.items() for event in events}
    shown = {(example.platform, example.told["event"]) for example in EXAMPLES}
    published = {
        (example.platform, example.told["event"])
        for example in EXAMPLES
        if example.told["published"]
    }
    with capsys.disabled():
        print(
            f"\nexamples: {len(every & shown)} of {len(every)} events, "
            f"{len(published)} of them as published"
        )
    assert shown == every


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_a_body_gives_exactly_its_expected_events(example: Example) -> None:
    parsed, slots = example.run()
    found = [(slot, TOPIC_OF[type(event)], event) for slot, event in slots.items()]
    assert found == example.events()
    assert (parsed.event, parsed.rule) == (example.told["event"], example.told["rule"])


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_an_expectation_stands_as_the_refresh_would_write_it(example: Example) -> None:
    assert json.loads(json.dumps(as_told(example))) == example.told


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_ingress_and_adapter_agree_on_key_event_and_file_name(example: Example) -> None:
    event, key = sources.read(
        sources.SOURCES[example.platform], "demo", example.told["event"], example.body
    )
    assert key is not None
    assert (event, key.decode()) == (example.told["event"], example.told["key"])
    slug = sources.slug(event)
    assert example.slug == slug or example.slug.startswith(f"{slug}-")


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


PERSONAL = re.compile(
    r"\b(jeanne|moulin|anne|dupond|nathalie|dupont|marie|thomas|cedric|youn|frodo|baggins|alina"
    r"|magicworld|john doe|sam|buyer|jeremy|tellier|test customer|1688 lake|webster|bittersweet"
    r"|jaures|hobbiton|bag end|0604000000|0600000000|0200000000|0600008888|0610000000"
    r"|15558675309|15855008509|80507894586|xxxxxxxxxx|555-0100|192\.168|femme|homme|entre 35"
    r"|subscribe|cdn|st\. louis|14580|75000|548912|654812|sh1 1re|rings|gate|too small|pdf"
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
