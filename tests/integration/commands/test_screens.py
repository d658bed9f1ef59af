"""Every command that shows what senders wrote, over rows and records full of what steers a screen.

A command that is in neither list fails: whoever adds one decides whether it shows such texts.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from hookline.cli import _print_error, app
from hookline.console.errors import error_message
from processors.outcomes import Origin, dead_letter
from processors.parse import raw_of
from runtime.kafka.producer import new_producer
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.envelopes import Reason, Reject
from schemas.events import Change, Contact, Customer, CustomerRef, Event, LineItem
from schemas.topics import CARTS, CUSTOMERS, DEAD_LETTERS, ORDERS, WEBHOOKS, Topic
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.raw import Raw, append, records
from tests.screens import steers
from tests.sink_events import DAY, HOUR, NOON, Tables, cart, meta, order
from tests.unit.hookline.test_cli import commands

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

TEXT = "a\x1b[2J\x9b1m\x7f\u202eb\u200b\u2066c\u2028d\ufeff[bold]e[/]"
"""What PostgreSQL takes of it: no U+0000, no surrogates."""

SHOWN: dict[str, tuple[str, ...]] = {
    "tables carts": (),
    "tables customers": (),
    "tables people": (),
    "tables days": (),
    "tables coverage": (),
    "tables freshness": (),
    "tables list": (),
    "tables export": ("--out", "{folder}"),
    "why carts": ("{cart}",),
    "why customers": ("{customer}", "--records"),
    "topics tail": ("{topic}", "--from-start", "--no-follow"),
    "dead list": (),
    "dead show": ("{letter}",),
    "dead replay": ("--all", "--dry-run"),
    "dead discard": ("{letter}", "--because", TEXT),
    "shops list": ("--file", "{shops}"),
    "shops drift": (),
    "people verify": ("--customer", "{customer}"),
    "import": ("{shop}", "{export}", "--dry-run"),
    "reconcile": ("{shop}", "{export}"),
    "people forget": ("--customer", "{customer}"),
    "journey": ("{customer}",),
    "listen": ("--for", "1s"),
}
"""Command -> its arguments here."""
MORE = (
    ("tables", "--sql", "select * from orders"),
    ("tables", "--sql", "select * from customers"),
    ("tables", "--sql", "select name, sku from order_items"),
    ("tables",),
    ("topics",),
    ("dead", "list", "--group"),
    ("dead", "list", "--all"),
    ("dead", "replay", "{letter}", "--dry-run"),
    ("journey", "0:0", "--body"),
    ("journey", TEXT),
    ("why", "carts", TEXT),
    ("why", "customers", f"nobody/{TEXT}"),
    ("tables", "--sql", f"select '{TEXT}'::int"),
)
NOT_SHOWN = {
    "audit": "names of shops, counts and offsets", "shops check": "names of shops and counts",
    "doctor": "sentences of ours, names of shops and topics", "predict": "shops and figures",
    "what-if": "figures by currency",
    "acls": "our own names, and users as the operator wrote them",
    "accept-horizon": "offsets", "accept-key": "fingerprints", "accept-loss": "offsets",
    "capacity": "figures", "completion": "a script", "demo": "our own examples",
    "dashboard": "an address, a hash; its pages in test_dashboard*.py",
    "down": "a path", "ingest": "logs, which test_logs.py covers", "migrate": "our own names",
    "notify": "sentences of ours, names of shops, and paths of fields without data",
    "people allow": "counts", "people export": "our own paths, counts; its page in test_erase.py",
    "people rotate-key": "counts, a fingerprint",
    "process": "logs", "rebuild": "names of tables, counts", "send": "our own examples",
    "simulate": "figures, and what the ingress answers",
    "shops add": "what the operator wrote", "shops rotate": "what the operator wrote",
    "sink": "logs", "status": "what /readyz shows, and test_shown.py covers",
    "topics configure": "settings of topics", "topics create": "names of topics",
    "up": "addresses, and logs by their ends, which go through the same screen",
}  # fmt: skip


def events() -> Iterator[Event]:
    who = CustomerRef(customer_id=TEXT, email_hash="0" * 32)
    item = LineItem(line_id=TEXT, product_id=TEXT, sku=TEXT, name=TEXT, quantity=1)
    texts: dict[str, Any] = {"status_word": TEXT, "attributes": {TEXT: TEXT}}
    yield Customer(
        meta=meta("spiffy", "customer", TEXT, NOON, change=Change.CREATED),
        customer_id=TEXT,
        created_at=NOON,
        contact=Contact(email=TEXT, name=TEXT),
        attributes={TEXT: TEXT},
    )
    yield cart(TEXT, NOON, [item], token=TEXT, customer=who, total="10.00")
    money = {"items_total": "9.00", "total": "9.00"}
    yield order(TEXT, NOON + HOUR, customer=who, amounts=money, items=[item], order_number=TEXT,
                **texts)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screens")


@pytest.fixture
def settings(stack: LiveStack, prepared: Callable[[Settings], Settings], folder: Path) -> Settings:
    shops = folder / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    ready = prepared(replace(stack.settings(), shops_file=str(shops)))
    run_apart(fill(ready))
    return ready


async def fill(settings: Settings) -> None:
    """Rows, canonical records, a raw delivery and a dead letter of it, all with the text."""
    async with Tables(settings) as tables:
        await tables.put(events())
        await tables.passed(NOON + 70 * DAY)
    body = json.dumps({"id": TEXT, TEXT: [TEXT]}, ensure_ascii=False).encode()
    raw = Raw("run-free", senders.SHOP, f"order:{TEXT}", body, event=TEXT)
    broken = Raw("run-free", senders.SHOP, f"order:{TEXT}", TEXT.encode(), event=TEXT)
    await append(settings, [raw, broken])
    codec = await load_codec(settings)
    producer = new_producer(settings, linger_ms=0)
    await producer.start()
    try:
        for fetched in await records(settings, [settings.topic(WEBHOOKS)]):
            origin = Origin(raw_of(fetched), 1, b"0" * 16)
            reject = Reject(Reason.INVALID_PAYLOAD, f"items[0].{TEXT}", f"{TEXT}\n{TEXT}", TEXT)
            letter = dead_letter(origin, reject)
            topic = settings.topic(DEAD_LETTERS)
            await (await producer.send(topic, letter.value, letter.key, headers=letter.headers))
        for topic, event in zip((CUSTOMERS, CARTS, ORDERS), events(), strict=True):
            encoded = codec.encode(event)
            await (await producer.send(settings.topic(topic), encoded, event.meta.entity.encode()))
    finally:
        await producer.stop()


def keys(settings: Settings, folder: Path) -> dict[str, str]:
    """What stands for the names in braces."""
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f"SET search_path TO {settings.sql_schema}")
        (cart_key,) = connection.execute("SELECT cart_key FROM carts").fetchone() or ("",)
        (customer,) = connection.execute("SELECT customer_key FROM customers").fetchone() or ("",)
    (letter, *_) = run_apart(records(settings, [settings.topic(DEAD_LETTERS)]))
    export = folder / f"{TEXT.replace('/', '')}.jsonl"
    listed = {"id": TEXT, "ordered": "2026-01-01", "subtotal": 1, "customer": {"id": TEXT}}
    undated = {"id": TEXT, "email": TEXT}
    export.write_text("\n".join(json.dumps(each) for each in (listed, undated)))
    return {
        "cart": cart_key,
        "customer": customer,
        "letter": f"{letter.partition}:{letter.offset}",
        "folder": str(folder / "export"),
        "shops": settings.shops_file,
        "shop": f"run-free/{senders.SHOP}",
        "export": str(export),
    }


def shown_by(arguments: tuple[str, ...]) -> str:
    """What a command prints, its error too."""
    result = CliRunner().invoke(app, list(arguments))
    shown: str = result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        message = error_message(result.exception)
        assert message is not None, (arguments, result.exception)
        shown += CliRunner().invoke(_as_command(lambda: _print_error(message))).output
    return shown


def _as_command(work: Callable[[], None]) -> Any:
    single = typer.Typer()
    single.command()(work)
    return single


def test_every_command_is_in_one_list() -> None:
    assert set(SHOWN) | set(NOT_SHOWN) == {" ".join(path) for path in commands()}
    assert not set(SHOWN) & set(NOT_SHOWN)


def test_no_command_lets_a_stored_text_steer_the_screen(
    settings: Settings, stack: LiveStack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOOKLINE_READER_URL", stack.reader_url)
    monkeypatch.setenv("HOOKLINE_CONTACTS_READER_URL", stack.postgres.contacts_reader_url)
    named = keys(settings, folder)
    runs = [(*name.split(), *arguments) for name, arguments in SHOWN.items()]
    topics: tuple[Topic, ...] = (WEBHOOKS, DEAD_LETTERS, ORDERS)
    wrong, with_text = [], set()
    for arguments in (*runs, *MORE):
        for topic in topics if "{topic}" in arguments else topics[:1]:
            values = {**named, "topic": topic.name}
            made = tuple(values[each[1:-1]] if each.startswith("{") else each for each in arguments)
            for options in ((), ("--json",)):
                shown = shown_by((*made, *options))
                if steers(shown):
                    wrong.append((*arguments, *options))
                if "[bold]e[/]" in shown:
                    with_text.add(" ".join(arguments[:2]))
                if options and shown.startswith(("{", "[")) and "tail" not in arguments:
                    json.loads(shown)
    assert wrong == []
    # The text was really there.
    assert with_text >= {
        "why carts", "why customers", "topics tail", "dead list", "dead show", "shops drift",
        "tables --sql", "tables customers",
    }  # fmt: skip


def test_no_exported_cell_is_a_formula(
    settings: Settings, stack: LiveStack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder / "cells"
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOOKLINE_CONTACTS_READER_URL", stack.postgres.contacts_reader_url)
    monkeypatch.setenv("HOOKLINE_READER_URL", stack.reader_url)

    async def formulas() -> None:
        async with Tables(settings) as tables:
            await tables.put([
                order(f"o{number}", NOON + number, order_number=f"{blank}=1+1", status_word="@A1",
                      attributes={"=x": "+1+1"})
                for number, blank in enumerate(["", " ", "\t", "\u00a0", "\u200b", "\x1b"])
            ])  # fmt: skip

    run_apart(formulas())
    assert "orders.csv" in shown_by(("tables", "export", "--contacts", "--out", str(out)))
    assert out.stat().st_mode & 0o077 == 0
    numbers = 0
    for path in out.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        with path.open(newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    numbers += cell.endswith("=1+1")
                    first = cell.lstrip("\x1b\u200b\ufeff \t\u00a0")[:1]
                    assert first not in "=@" or not cell, (path.name, cell)
    assert numbers >= 6
