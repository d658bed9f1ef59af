"""A person erased under load: nothing brings them back, and nobody else's rows change."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import Settings
from tests.conftest import LiveStack
from tests.pipeline import Shape
from tests.pipeline import prepared as pipeline_of
from tests.spiffy_shop import ADDRESS, PERSON, SHOPS, House, broken, customer, history, order

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(600)]

CUSTOMERS = 10_000 if "LONG" in os.environ else 300
"""The short form is what the default suite runs: LONG=1 erases one of ten thousand."""
CONTACT_KEY = "a contact key of sixteen bytes and more"


def test_who_is_forgotten_is_not_brought_back_by_anything_and_others_keep_their_rows(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(SHOPS)
    made = replace(stack.settings(contact_key=CONTACT_KEY), shops_file=str(shops))
    made = replace(made, session_timeout=6.0, heartbeat_interval=0.5)
    settings = prepared(replace(made, state_dir=str(tmp_path / "state")))
    with pipeline_of(settings, tmp_path / "logs", Shape(processors=2, sinks=2)) as pipeline:
        pipeline.start()
        house = House(stack, settings, pipeline)
        house.send([*history(0, CUSTOMERS), broken(PERSON), broken(PERSON + 1)])
        house.rest()
        assert {what for _, what, _ in house.personal()} > {"name"}
        before, money = house.others(CUSTOMERS), house.money()
        with house.without_sinks():
            house.administer("CREATE DATABASE yesterday TEMPLATE hookline")

        with house.under_load(history(10 * CUSTOMERS, CUSTOMERS, turn=4)):
            receipt = house.run("people", "forget", "--email", ADDRESS, "--yes", "--json")
        house.rest()
        print(f"\n{receipt}")
        assert receipt["deleted"]["customer_contacts"] == 1
        assert len(receipt["dead_letters_discarded"]) == 1
        judge(house, before, money)

        with house.without_sinks():
            house.administer(
                "DROP DATABASE hookline WITH (FORCE)",
                "ALTER DATABASE yesterday RENAME TO hookline",
            )
        house.rest()
        judge(house, before, money)

        house.run("rebuild", owner=True)
        judge(house, before, money)

        house.run("dead", "replay", "--all")
        house.send([customer(PERSON), customer(PERSON, 30), order(PERSON), order(PERSON, turn=9)])
        house.send([order(PERSON, is_guest=True, turn=9)])
        house.rest()
        judge(house, before, money)

        house.end_of_the_month()
        assert house.personal() == []
        judge(house, before, money)


def judge(house: House, before: list[str], money: Any) -> None:
    """Nothing of the person is in a table, a canonical topic, a state or a log."""
    expected = {"hookline.webhooks", "hookline.contacts", "hookline.dead-letters"}
    assert {location for location, _, _ in house.personal()} <= expected
    assert house.others(CUSTOMERS) == before
    assert house.money() == money
    person = f"customer_key = 'spiffy/box/customer:{PERSON}'"
    assert house.value(f"SELECT is_erased FROM customers WHERE {person}") is True  # noqa: S608
    assert house.value(f"SELECT count(*) FROM customer_contacts WHERE {person}") == 0  # noqa: S608
