"""Years of history imported beside live traffic, killed and resumed; a list against the tables."""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hmac import digest
from pathlib import Path
from random import Random
from typing import Any

import pytest

from runtime.settings import Settings
from tests import exports, senders
from tests.conftest import LiveStack
from tests.pipeline import Shape
from tests.pipeline import prepared as pipeline_of
from tests.spiffy_shop import House

IS_LONG = "LONG" in os.environ
CUSTOMERS = int(os.environ.get("IMPORTED", "200000" if IS_LONG else "120"))
"""The short form is what the default suite runs: LONG=1 imports a million orders."""

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(7200 if IS_LONG or CUSTOMERS > 1000 else 300),
]

KEY = "a key that signs what Spiffy sends"
CONTACT_KEY = "a contact key of sixteen bytes and more"
SHOPS = "".join(
    f'[[shops]]\nsource = "spiffy"\nid = "{name}"\nsecrets = ["{KEY}"]\ncurrency = "EUR"\n'
    for name in ("filed", "hooked", "lossy")
)
_LIFETIME = """
    SELECT md5(string_agg(md5(row), '' ORDER BY md5(row))) FROM (
        SELECT replace((to_jsonb(v) - '{source_event_id,raw_partition,raw_offset,shop,as_of,t,
            history_complete,ineligible_reason}'::text[])::text, 'spiffy/SHOP/', '') AS row
        FROM customer_lifetime_value v WHERE shop = 'SHOP'
    ) rows
"""
_ORDERS = """
    SELECT md5(string_agg(md5(row), '' ORDER BY md5(row))) FROM (
        SELECT replace((to_jsonb(o) - '{layers,source_event_id,version_at,appended_at,shop,
            raw_partition,raw_offset}'::text[])::text, 'spiffy/SHOP/', '') AS row
        FROM orders o WHERE shop = 'SHOP'
    ) rows
"""
_EVERYTHING = """
    SELECT md5(string_agg(md5(row), '' ORDER BY md5(row))) FROM (
        SELECT to_jsonb(o)::text AS row FROM orders o WHERE shop = 'filed'
        UNION ALL SELECT (to_jsonb(v) - '{as_of,t}'::text[])::text FROM customer_lifetime_value v
            WHERE shop = 'filed'
        UNION ALL SELECT to_jsonb(c)::text FROM customers c WHERE shop = 'filed'
        UNION ALL SELECT (to_jsonb(a) - 'detected_at')::text FROM abandoned_carts a
            WHERE shop = 'filed'
    ) rows
"""
_MENDED = "WHERE shop = 'SHOP' AND customer_key <> 'spiffy/SHOP/customer:1'"
_SIGNALS = """
    SELECT (SELECT count(*) FROM outbox WHERE cart_key LIKE 'spiffy/filed/%')
        + (SELECT count(*) FROM sent_signals)
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One webhook of a shop; ``number`` keeps those of one object on one connection."""

    shop: str
    topic: str
    body: bytes
    number: int = 0

    def request(self, host: str) -> bytes:
        proof = b64encode(digest(KEY.encode(), self.body, "sha256")).decode()
        headers = {"X-Spiffy-Topic": self.topic, "X-Spiffy-Hmac-Sha256": proof}
        return senders.request(host, f"/hooks/spiffy/{self.shop}", headers, self.body)


def webhooks(shop: str, objects: Iterator[tuple[str, exports.Object]]) -> Iterator[Sent]:
    for topic, each in objects:
        body = json.dumps(each, separators=(",", ":")).encode()
        yield Sent(shop, topic, body, hash(str(each["id"])) & 0xFFFF)


@pytest.fixture
def house(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Iterator[House]:
    shops = tmp_path / "shops.toml"
    shops.write_text(SHOPS)
    made = replace(stack.settings(contact_key=CONTACT_KEY), shops_file=str(shops))
    made = replace(made, session_timeout=6.0, heartbeat_interval=0.5)
    settings = prepared(replace(made, state_dir=str(tmp_path / "state")))
    with pipeline_of(settings, tmp_path / "logs", Shape()) as pipeline:
        pipeline.start()
        yield House(stack, settings, pipeline)


def killed(house: House, arguments: list[str], state: Path) -> int:
    """Start an import and kill it once it has come further; return how far."""
    begun = json.loads(state.read_bytes())["row"] if state.exists() else 0
    child = subprocess.Popen(
        [sys.executable, "-m", "hookline", *arguments, "--no-wait"],
        env={**os.environ, **house.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    row, deadline = begun, time.monotonic() + 120
    while row <= begun:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
        row = json.loads(state.read_bytes())["row"] if state.exists() else 0
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept: int = json.loads(state.read_bytes())["row"]
    return kept


def _carts(file: Path) -> int:
    with file.open() as lines:
        return sum('"total_price"' not in line and '"token"' in line for line in lines)


def test_an_import_gives_the_rows_of_webhooks_and_sends_no_signal(
    house: House, tmp_path: Path
) -> None:
    file, state = tmp_path / "history.jsonl", tmp_path / "import.json"
    total = exports.write(file, exports.shop(1, CUSTOMERS))
    arguments = ["import", "spiffy/filed", str(file), "--history-from", "2019-03-01"]
    arguments += ["--state", str(state)]

    live = exports.customer(9_000_001, datetime.now(UTC))
    house.send([Sent("filed", "customers/update", json.dumps(live).encode())])
    slow = [] if IS_LONG else ["--rate", str(total // 6)]
    for _ in range(2):
        print(f"\nkilled after row {killed(house, [*arguments, *slow], state):,} of {total:,}")
    receipt = house.run(*arguments, "--json")
    print(f"\n{ {name: value for name, value in receipt.items() if name != 'rejected'} }")
    print(f"{receipt['rate']:,.0f} rows/s beside the workers")
    assert receipt["rows"] == total
    assert receipt["resumed_after"] > 0
    assert receipt["refused"] == {}
    assert receipt["outcomes"]["dead_letters"] == 0
    house.rest()

    hooked = (
        each for each in webhooks("hooked", exports.shop(1, CUSTOMERS)) if "carts" not in each.topic
    )
    house.send(hooked)
    house.rest()
    # The carts of the webhooks would be of today, since they have no time of their own.
    lifetime = _LIFETIME.replace("history_complete", "history_complete,abandoned_carts_count")
    for query in (lifetime, _ORDERS):
        assert house.value(query.replace("SHOP", "filed")) == house.value(
            query.replace("SHOP", "hooked")
        )

    def of_filed(what: str, where: str = "true") -> Any:
        return house.value(f"SELECT {what} AND shop = 'filed' AND {where}")

    table = "customer_lifetime_value WHERE true"
    assert of_filed(f"count(*) FROM {table}", "history_complete IS NOT TRUE") == 0
    assert of_filed(f"count(*) FROM {table}") == of_filed(
        "count(DISTINCT customer_key) FROM orders WHERE true"
    )
    open_carts = "cart_generations WHERE status IN ('ACTIVE', 'ABANDONED')"
    assert of_filed(f"count(*) FROM {open_carts}") == 0
    by_order = "cart_generations WHERE status IN ('RECOVERED', 'CONVERTED')"
    assert of_filed(f"count(*) FROM {by_order}") > 0
    assert of_filed("count(*) FROM abandoned_carts WHERE status = 'EXPIRED'") > 0
    assert of_filed(
        "max(abandoned_at) < now() - interval '30 days' FROM abandoned_carts WHERE true"
    )
    assert house.value(_SIGNALS) == 0

    before = house.value(_EVERYTHING)
    again = house.run(*arguments[:-2], "--json", "--state", str(tmp_path / "again.json"))
    # Carts have a shorter window, 15 minutes: what comes later is an event, of the same value.
    assert again["outcomes"]["duplicates"] >= total - (_carts(file) if IS_LONG else 0)
    house.rest()
    if not IS_LONG:
        house.run("rebuild", owner=True)
    assert house.value(_SIGNALS) == 0
    after = house.value(_EVERYTHING)
    assert after == before


def test_reconcile_finds_what_was_withheld_and_mends_it(house: House, tmp_path: Path) -> None:
    count = min(CUSTOMERS, 400)
    objects = [each for each in exports.shop(2, count) if "carts" not in each[0]]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"orders": [each for _, each in objects]}))
    withheld, stale, sent = set(), set(), []
    for number, (topic, each) in enumerate(objects):
        key = f"spiffy/lossy/{'order' if 'orders' in topic else 'customer'}:{each['id']}"
        if number % 50 == 7 and "orders" in topic:
            withheld.add(key)
            continue
        if number % 50 == 8 and "orders" in topic:
            stale.add(key)
            each = {**each, "total_price": "1.00", "updated_at": each["created_at"]}  # noqa: PLW2901
        sent.append((topic, each))
    house.send(webhooks("lossy", iter(sent)))
    extra = exports.order(77, 1, exports.START + timedelta(days=900), Random(1))  # noqa: S311
    house.send(webhooks("lossy", iter([("orders/updated", {**extra, "id": 1})])))
    house.rest()

    found = house.run("reconcile", "spiffy/lossy", str(file), "--json", status=1)["found"]
    assert set(found["missing_here"]) == withheld
    assert set(found["different"]) == stale
    assert {name for names in found["different"].values() for name in names} == {"total"}
    assert found["missing_there"] == ["spiffy/lossy/order:1"]
    assert found["lost_share"] == (len(withheld) + len(stale)) / len(objects)
    printed = house.run("reconcile", "spiffy/lossy", str(file), status=1)
    print(f"\n{printed}")
    assert "@" not in printed

    mended = house.run("reconcile", "spiffy/lossy", str(file), "--repair", "--json", status=1)
    left = mended["left"]
    assert (left["missing_here"], left["different"], left["alike"]) == ([], {}, len(objects))
    house.send(webhooks("hooked", iter(objects)))
    house.rest()
    # The order that the list lacks is one of customer 1, whose rows are another's then.
    for query in (_LIFETIME, _ORDERS):
        query = query.replace("WHERE shop = 'SHOP'", _MENDED)  # noqa: PLW2901
        assert house.value(query.replace("SHOP", "lossy")) == house.value(
            query.replace("SHOP", "hooked")
        )
    assert house.value("SELECT count(*) FROM outbox") == 0
