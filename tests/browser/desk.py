"""A stack of its own with simulated shops, and hostile texts in every text field of a platform."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import httpx

from hookline.dashboard.login import passwords
from hookline.local.folder import Folder
from hookline.send import examples
from hookline.send.examples import ExampleDelivery
from hookline.send.sender import Sender
from schemas.shops import Shop, load

PASSWORD = "correct horse battery"
HOSTILE = (
    '<img src=x onerror="window.__xss=1">',
    '"><script>window.__xss=1</script>',
    "'><svg onload=window.__xss=1>{{ 7*7 }}",
)
EXAMPLES = {
    "ciklik": ("abandoned_cart", "created_user"),
    "gooten": ("order-item-changed",),
    "run-free": ("cart-change", "order-created", "customer-created"),
    "shoprocket": ("cart-abandoned", "order-created", "customer-created"),
    "spiffy": ("carts-create", "orders-create", "customers-create", "orders-create-xml"),
}
_LEAF = re.compile(rb">([^<>]*\S[^<>]*)</")
"""The text of an XML element without children."""
SIMULATED = ("--for", "12s", "--rate", "40", "--seed", "7", "--days", "60", "--malformed", "0.03")


@dataclass(frozen=True, slots=True)
class Desk:
    """A running stack. ``hostile``: the deliveries with hostile texts."""

    data: Path
    url: str
    ingress_url: str
    shops: dict[str, Shop]
    hostile: tuple[str, ...] = ()

    def send(self, source: str, example: ExampleDelivery) -> str:
        """Send a delivery to the first shop of a platform, and return its id."""
        with Sender(self.ingress_url, retries=3) as sender:
            delivery = sender.send(self.shops[source], example).delivery
        assert delivery is not None
        return delivery

    def get(self, path: str) -> Any:
        """A page's JSON."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            answer = client.get(f"{self.url}{path}")
        answer.raise_for_status()
        return answer.json()


def hookline(data: Path, *arguments: str, **variables: str) -> str:
    """Run a command on the stack of a folder, in a shell that knows of no other."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HOOKLINE_") or name == "HOOKLINE_CACHE"
    }
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "hookline", *arguments, "--data", str(data)],
        env={**kept, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@contextmanager
def running(data: Path, simulated: tuple[str, ...] = SIMULATED) -> Iterator[Desk]:
    """A stack with a simulated year behind it; it is stopped afterwards.

    Who logs in with ``PASSWORD`` may settle its dead letters.
    """
    try:
        login = passwords.hashed(PASSWORD)
        hookline(data, "up", "--detach", HOOKLINE_DASHBOARD_PASSWORD_HASH=login)
        hookline(data, "simulate", *simulated)
        run = Folder(data).read()
        assert run is not None
        shops: dict[str, Shop] = {}
        for shop in load(Path(run["shops"])).values():
            shops.setdefault(shop.source, shop)
        desk = Desk(data, run["dashboard_url"], run["ingress_url"], shops)
        until(lambda: bool(desk.get("/carts.json?days=90")["carts"]))
        yield desk
    finally:
        Folder(data).stop()


def letter_paths(desk: Desk) -> dict[str, str]:
    """The pages of dead letters: all of them, one of each group, and what settling would do."""
    page = desk.get("/dead-letters.json")
    group = page["groups"][0]
    chosen = {name: group[name] for name in ("shop", "reason", "path")}
    newest = {each["reason"]: each["newest_letter"] for each in reversed(page["groups"])}
    return {
        "letters": "dead-letters",
        "letters-group": f"dead-letters?{urlencode(chosen)}",
        "letters-settle": f"dead-letters/settle?{urlencode({'until': page['until_ms']})}",
        **{f"letter-{reason}": f"dead-letters/{letter}" for reason, letter in newest.items()},
    }


def until(holds: Callable[[], bool]) -> None:
    """Wait for at most two minutes until something holds."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.2)
    raise AssertionError(holds)


def with_hostile(desk: Desk) -> Desk:
    """Send one hostile delivery for each text field of the examples, and wait for the last."""
    sent = [
        desk.send(source, example)
        for source, names in EXAMPLES.items()
        for name in names
        for example in hostile_examples(examples.load(source, name))
    ]
    settled(desk, sent[-1])
    return replace(desk, hostile=tuple(sent))


def settled(desk: Desk, delivery: str) -> Any:
    """Wait until a delivery has its outcome and its rows, and return its journey."""
    for _ in range(600):
        found = desk.get(f"/journey.json?q={delivery}")
        states = [row["state"] for row in found["rows"]]
        is_pending = found["verdict"]["kind"] == "not processed yet"
        if not is_pending and "not in the tables yet" not in states:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def hostile_examples(example: ExampleDelivery) -> Iterator[ExampleDelivery]:
    """Yield the example once for each of its text fields, which then has a hostile text."""
    if example.content_type.endswith("xml"):
        for number, leaf in enumerate(_LEAF.finditer(example.body)):
            text = escape(HOSTILE[number % len(HOSTILE)]).encode()
            yield replace(
                example, body=example.body[: leaf.end(1)] + text + example.body[leaf.end(1) :]
            )
        return
    document = json.loads(example.body)
    for number, path in enumerate(_texts(document)):
        changed = json.loads(example.body)
        node = changed
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = f"{node[path[-1]]} {HOSTILE[number % len(HOSTILE)]}"
        yield replace(example, body=json.dumps(changed).encode())


def _texts(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, str):
        yield path
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _texts(value, (*path, name))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _texts(value, (*path, number))
