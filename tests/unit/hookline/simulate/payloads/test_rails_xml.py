"""XML in the style of Rails."""

import json
from dataclasses import replace

from hookline.simulate import world
from hookline.simulate.payloads import render
from hookline.simulate.payloads.rails_xml import Rails
from hookline.simulate.world import Behaviour, Knobs
from processors.sources.readers.xml import from_xml
from tests.unit.hookline.simulate.payloads.through_adapters import START, read

BODY = {
    "id": 327475578523353102,
    "title": "Tea & Cake <large> \"old\" 'Müller'",
    "test": False,
    "cancelled_at": None,
    "line_items": [{"sku": "A", "gift_card": True}, {"sku": "B", "gift_card": False}],
    "refunds": [],
    "customer": {"name": "Zoë"},
}


def test_a_document_holds_what_was_written_into_it() -> None:
    for dashed in (True, False):
        document = Rails(dashed=dashed).encode("order", BODY)
        assert (b"line-items" in document) is dashed
        assert json.loads(json.dumps(from_xml(document), default=str)) == BODY


def test_a_fact_in_xml_is_read_as_the_same_fact_in_json() -> None:
    knobs = Knobs(
        seed=31, start=START, seconds=30, rate=60, live_share=0.5, behaviour=Behaviour(refunds=0.6)
    )
    compared = 0
    for number, step in enumerate(world.steps(knobs)):
        fact = step.fact
        if fact.shop.format != "xml":
            continue
        as_json = replace(step, fact=replace(fact, shop=replace(fact.shop, format="json")))
        documents = []
        for each in (step, as_json):
            payload = render(each.fact)
            assert payload is not None
            key, parsed, events = read(each, payload, number)
            plain = {name: repr(event) for name, event in events.items()}
            documents.append((key, parsed.event, parsed.rule, plain))
        assert documents[0] == documents[1]
        compared += 1
    assert compared > 150
