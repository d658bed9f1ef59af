"""XML is read by the rules of JSON: numbers, flags, empty values, texts that need a repair."""

from decimal import Decimal
from typing import Any

import pytest

from ingest import sources
from processors.sources.readers.refusals import Refused
from processors.sources.readers.xml import from_xml
from schemas.events import Order
from tests.unit.processors.sources.deliveries import run


def value(element: str) -> Any:
    return from_xml(f"<order><id>1</id>{element}</order>".encode())["x"]


@pytest.mark.parametrize("kind", ["integer", "decimal", "float"])
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("3", 3),
        (" 3\n", 3),
        ("-3", -3),
        ("007", 7),
        ("45255590281516.0", Decimal("45255590281516.0")),
        ("8E-5", Decimal("0.00008")),
        ("12.50", Decimal("12.50")),
        ("1,234.50", "1,234.50"),
        ("1 234,50", "1 234,50"),
        ("three", "three"),
        ("1e99999999999", "1e99999999999"),
        ("9" * 64, int("9" * 64)),
        ("9" * 65, "9" * 65),
        ("", None),
        ("  ", None),
    ],
)
def test_a_number_is_read_as_in_json_and_any_other_text_is_kept(
    kind: str, text: str, read: Any
) -> None:
    found = value(f'<x type="{kind}">{text}</x>')
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("element", "read"),
    [
        ('<x nil="true"/>', None),
        ('<x nil="1"/>', None),
        ('<x nil="false">a</x>', "a"),
        ('<x xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>', None),
        ('<x type="boolean"> TRUE </x>', True),
        ('<x type="boolean">no</x>', "no"),  # a reader knows it
        ("<x>\n  a b\n</x>", "a b"),
        ("<x>\ufeffa</x>", "a"),
        ("<x/>", ""),
    ],
)
def test_empty_values_flags_and_layout(element: str, read: Any) -> None:
    assert value(element) == read


ORDER = """<order><id type="integer">45255590281516.0</id><financial-status>paid</financial-status>
<total-line-items-price type="decimal">1,234.50</total-line-items-price>
<total-tax type="decimal">8E-5</total-tax><line-items type="array"><line-item>
<quantity type="integer">1.0</quantity><price type="decimal"> 1 234,50 </price>
<title>A\x00B &#0; &#xD83D;&#xDE00; Tom & Jerry</title></line-item></line-items></order>"""


def test_an_order_with_all_of_it_is_read() -> None:
    made = run("spiffy", "orders/create", ORDER.encode())["order"]
    assert isinstance(made, Order)
    assert made.order_id == "45255590281516"
    assert (made.items_total, made.tax_total) == (Decimal("1234.5"), Decimal("0.0001"))
    [line] = made.items or ()
    assert (line.quantity, line.unit_price) == (1, Decimal("1234.5"))
    assert line.name == "A\ufffdB \ufffd \U0001f600 Tom & Jerry"
    assert made.attributes["rounded:total_tax"] == "0.00008"


@pytest.mark.parametrize("before", ["", "\ufeff", "\ufeff  ", "\r\n\t", "\x00"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="UTF-8"?>'])
@pytest.mark.parametrize("after", ["", "\x00", "\n\x1a"])
def test_its_key_is_that_of_the_event(before: str, declared: str, after: str) -> None:
    body = f"{before}{declared}{ORDER}{after}".encode()
    made = run("spiffy", "orders/create", body)["order"]
    _, key = sources.read(sources.SOURCES["spiffy"], "johns", "orders/create", body)
    assert key == b"spiffy/johns/order:45255590281516"
    assert isinstance(made, Order)
    assert made.order_id == "45255590281516"


@pytest.mark.parametrize(
    "start",
    ['<order xmlns="urn:shop">', '<order xmlns:s="urn:shop">', '<s:order xmlns:s="urn:shop">'],
)
def test_a_namespace_changes_neither_names_nor_the_key(start: str) -> None:
    root = start[1:].split(maxsplit=1)[0]
    body = ORDER.replace("<order>", start).replace("</order>", f"</{root}>").encode()
    if start.startswith("<order xmlns:s"):
        body = body.replace(b"<id ", b"<s:id ").replace(b"</id>", b"</s:id>")
    made = run("spiffy", "orders/create", body)["order"]
    assert isinstance(made, Order)
    assert (made.order_id, made.items_total) == ("45255590281516", Decimal("1234.5"))
    _, key = sources.read(sources.SOURCES["spiffy"], "johns", "orders/create", body)
    assert key == b"spiffy/johns/order:45255590281516"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'\x00<!DOCTYPE a [<!ENTITY b "c">]><a>&b;\x00</a>', "unsupported-format"),
        (b"<a>\x00</b>", "malformed-body"),
        (b"<a>\x00&#0;", "malformed-body"),
        (b"<a>" * 70 + b"\x00" + b"</a>" * 70, "out-of-range"),
    ],
)
def test_limits_hold_after_a_repair_too(body: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        from_xml(body)
    assert refused.value.reject.reason == reason
