"""XML bodies with characters that XML forbids are repaired in their texts, and only there."""

from xml.etree.ElementTree import ParseError, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bodies.xml_body import repaired

HALF = "\ufffd"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (b"a\x00b", f"a{HALF}b"),
        (b"a\x1bb\x08", f"a{HALF}b{HALF}"),
        (b"a&#0;b", f"a{HALF}b"),
        (b"a&#x0;b&#X1F;&#00031;", f"a{HALF}b{HALF}{HALF}"),
        (b"a&#xD800;b", f"a{HALF}b"),
        (b"a&#55296;b", f"a{HALF}b"),
        (b"&#xD83D;&#xDE00;", "\U0001f600"),
        (b"&#55357;&#56832;", "\U0001f600"),
        (b"&#xDE00;&#xD83D;", HALF * 2),
        (b"&#xFFFE;&#x110000;&#99999999999999999999;", HALF * 3),
        (b"\xef\xbf\xbe\xef\xbf\xbf", HALF * 2),
        (b"Tom & Jerry &amp; R&D", "Tom & Jerry & R&D"),
        (b"<![CDATA[a\x00 & &#0;]]> & &#0;", f"a{HALF} & &#0; & {HALF}"),
        (b"tab&#9;\x01\tline&#10;\n&#13;", f"tab\t{HALF}\tline\n\n\r"),
    ],
)
def test_what_xml_forbids_in_a_text_is_replaced_and_the_rest_stays(text: bytes, read: str) -> None:
    body = b"<a>" + text + b"</a>"
    with pytest.raises(ParseError):
        fromstring(body)  # noqa: S314 - our own bytes
    assert fromstring(repaired(body)).text == read  # noqa: S314


@pytest.mark.parametrize("around", [b"\x00", b" \r\n", b"\x00\x00\t", b"\x1a"])
def test_blanks_and_controls_around_a_document_go(around: bytes) -> None:
    document = b'<?xml version="1.0" encoding="UTF-8"?><a>x</a>'
    assert repaired(b"\xef\xbb\xbf" + around + document + around) == document


def test_a_text_in_another_encoding_keeps_its_bytes() -> None:
    body = b'<?xml version="1.0" encoding="ISO-8859-1"?><a b="\xe9\x01">\xef\xbf\xbe\x00</a>'
    root = fromstring(repaired(body))  # noqa: S314
    assert (root.get("b"), root.text) == (f"é{HALF}", f"ï¿¾{HALF}")
    utf_16 = "<a>x</a>".encode("utf-16")
    assert repaired(utf_16) == utf_16


def test_an_open_cdata_section_takes_no_quadratic_time() -> None:
    assert repaired(b"<a>&" + b"<![CDATA[" * 100_000) == b"<a>&amp;" + b"<![CDATA[" * 100_000


def test_an_entity_that_nobody_declared_stays_one() -> None:
    assert repaired(b"<a>\x00caf&eacute;</a>") == "<a>\ufffdcaf&eacute;</a>".encode()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_can_be_read_after_the_repair(text: str) -> None:
    inner = text.replace("<", "&lt;").replace("]]>", "").replace(";", "")
    found = fromstring(repaired(f"<a>{inner}</a>".encode())).text or ""  # noqa: S314
    assert "\x00" not in found


@given(st.binary(max_size=60))
def test_a_repaired_body_is_not_repaired_again(body: bytes) -> None:
    once = repaired(body)
    assert repaired(once) == once
