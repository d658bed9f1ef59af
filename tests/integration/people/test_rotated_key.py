"""The contact key rotated under load: person keys follow, nobody is merged or split."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from processors.sources.readers.contact import email_hash
from runtime.settings import Settings
from tests import truth
from tests.conftest import LiveStack
from tests.pipeline import Shape
from tests.pipeline import prepared as pipeline_of
from tests.spiffy_shop import SHOPS, House, address_of, customer, history, order

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(300)]

OLD, NEW = "the contact key that was in force", "the contact key that comes after it"
CUSTOMERS, GUESTS = 150, range(5_000, 5_060)
LATER = 1_000


def new_hash(number: int) -> str | None:
    return email_hash(address_of(number), NEW.encode())


def test_a_key_rotated_under_load_gives_every_person_the_new_hash_and_keeps_them_apart(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(SHOPS)
    made = replace(stack.settings(contact_key=OLD), shops_file=str(shops))
    made = replace(made, session_timeout=6.0, heartbeat_interval=0.5)
    settings = prepared(replace(made, state_dir=str(tmp_path / "state")))
    both = {"HOOKLINE_CONTACT_KEY": NEW, "HOOKLINE_CONTACT_KEY_BEFORE": OLD}
    with pipeline_of(settings, tmp_path / "logs", Shape(processors=2, sinks=2)) as pipeline:
        pipeline.start()
        house = House(stack, settings, pipeline)
        house.send([*history(0, CUSTOMERS), *(order(each, is_guest=True) for each in GUESTS)])
        house.rest()
        load = threading.Thread(target=house.send, args=(history(LATER, CUSTOMERS),))
        load.start()
        house.environment |= both
        house.run("people", "rotate-key", "--yes", "--json")
        pipeline.shape = replace(pipeline.shape, variables={"process": both})
        for name in pipeline.names("process"):
            pipeline.join("process")
            pipeline.kill(*pipeline.names("sink"))
            pipeline.wait_ready(90)
            pipeline.leave(name)
        load.join()
        # Every guest comes again, and the customers with the same address as theirs.
        house.send([order(each, is_guest=True, turn=3) for each in GUESTS])
        house.send([customer(LATER + each, 30) for each in range(CUSTOMERS)])
        house.rest()
        house.run("people", "rotate-key", "--yes", "--json")  # customers who came meanwhile
        house.rest()
        report = truth.audit(settings)
        assert report.returncode == 0, report.stdout + report.stderr

    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f"SET search_path TO {settings.sql_schema}")
        customers = dict(connection.execute("SELECT customer_key, person_key FROM customers"))
        lifetime = dict(
            connection.execute("SELECT customer_key, orders_count FROM customer_lifetime_value")
        )
        others = connection.execute(
            "SELECT count(*) FROM orders WHERE email_hash IN"
            " (SELECT entry->>'before' FROM erasures)"
        ).fetchone()
    expected: dict[str, tuple[str | None, int]] = {}
    for number in (*range(CUSTOMERS), *range(LATER, LATER + CUSTOMERS)):
        hashed = new_hash(number)
        expected[f"spiffy/box/customer:{number}"] = (hashed, 1)
        if number % 3 == 0:
            expected[f"spiffy/box/guest:{hashed}"] = (hashed, 1)
    for number in GUESTS:
        expected[f"spiffy/box/guest:{new_hash(number)}"] = (new_hash(number), 2)
    assert customers == {key: hashed for key, (hashed, _) in expected.items()}
    assert lifetime == {key: count for key, (_, count) in expected.items()}
    assert others == (0,)
