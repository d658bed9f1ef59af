"""Bodies as every pipeline reads them: XML as JSON, and nothing of what is cut off."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.answers.deliveries import Delivery, parsed, write

XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<order>
  <id type="integer">7</id><cancelled-at nil="true"/><test type="boolean">false</test>
  <total-price>12.50</total-price>
  <line-items type="array"><line-item><quantity type="integer">2</quantity></line-item></line-items>
</order>"""


def test_xml_is_read_as_the_json_of_its_platform() -> None:
    assert parsed(XML, "application/xml") == {
        "id": 7,
        "cancelled_at": None,
        "test": False,
        "total_price": "12.50",
        "line_items": [{"quantity": 2}],
    }


@pytest.mark.parametrize("cut", [lambda body: body[:40], lambda _: b"", lambda _: b"[1]"])
def test_a_body_that_is_no_object_is_none(cut: Callable[[bytes], bytes]) -> None:
    assert parsed(cut(XML), "application/xml") is None
    assert parsed(cut(b'{"id": 1, "text": "long enough to be cut in half"}'), "") is None


def test_a_loader_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    given = [Delivery("a/b", "", 1, None), Delivery("a/b", "e", 2, {"id": 3})]

    write(tmp_path / "loaded", given)

    (line,) = (tmp_path / "loaded").read_bytes().splitlines()
    assert msgspec.json.decode(line) == {
        "number": 1,
        "shop": "a/b",
        "event": "e",
        "received_at": 2,
        "body": {"id": 3},
    }
