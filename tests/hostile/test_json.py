"""JSON that parsers stumble over: stored as it is, then an event or a dead letter with a path."""

import json

import pytest

from tests.example_files import FOLDER
from tests.hostile.cases import case
from tests.hostile.house import CANONICAL, GOOTEN, RUN_FREE, dead, judged
from tests.served import Served, request

SECTION = "JSON"
ORDER = (FOLDER / "run-free" / "order-created.json").read_bytes()
DEPTH = 100_000


def order(old: bytes, new: bytes) -> bytes:
    """The request of a Run Free order with one part replaced."""
    assert ORDER.count(old) == 1
    return request(ORDER.replace(old, new), path=RUN_FREE)


@pytest.mark.parametrize("path", [RUN_FREE, GOOTEN])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEPTH,
        b"[" * DEPTH + b"]" * DEPTH,
        b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
        b'{"data":{"id":' + b"[" * DEPTH + b"]" * DEPTH + b"}}",
        b'{"type":"cart","data":{"customer":' + b'{"id":' * DEPTH + b"1" + b"}" * (DEPTH + 2),
    ],
)
@case(
    SECTION,
    "100,000 levels of lists or objects",
    200,
    "as received; dead letter `out-of-range` at `$`",
)
async def test_deep_nesting_is_out_of_range(served: Served, path: str, body: bytes) -> None:
    assert await judged(served, request(body, path=path)) == dead("out-of-range", "$")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (b"1e400", "out-of-range"),
        (b"-1e400", "out-of-range"),
        (b"1e999999999", "out-of-range"),
        (b"1e99999999999999999999", "out-of-range"),
        (b"1e-999999999", "out-of-range"),
        (b"9" * 10_000, "out-of-range"),
        (b"0." + b"3" * 10_000, "out-of-range"),
        (b'"' + b"9" * 10_000 + b'"', "out-of-range"),
        (b"99999999999999999999", "out-of-range"),
    ],
)
@case(SECTION, "an amount of 1e400, 1e999999999, 1e-999999999, 10,000 digits", 200,
      "as received; dead letter `out-of-range` at the amount")  # fmt: skip
async def test_a_huge_number_is_out_of_range_at_its_path(
    served: Served, number: bytes, reason: str
) -> None:
    result = await judged(served, order(b'"subtotal": 130', b'"subtotal": ' + number))

    assert result == dead(reason, "data.subtotal")


@case(SECTION, "an id of 1e999999999 or of 10,000 digits", 200,
      "keyed by its bytes; dead letter at the id")  # fmt: skip
@pytest.mark.parametrize(
    ("number", "reason"), [(b"1e999999999", "invalid-payload"), (b"9" * 10_000, "out-of-range")]
)
async def test_a_huge_id_is_no_key(served: Served, number: bytes, reason: str) -> None:
    result = await judged(served, order(b'"id": 448725', b'"id": ' + number))

    assert result == dead(reason, "data.id")
    assert served.record.key.startswith(b"run-free/boots/body:")


@case(
    SECTION,
    "`NaN`, `Infinity`, `-Infinity`",
    200,
    "as received; dead letter `malformed-body` at its byte",
)
@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
async def test_what_is_no_number_is_malformed(served: Served, number: bytes) -> None:
    result = await judged(served, order(b'"subtotal": 130', b'"subtotal": ' + number))

    assert result.reason == "malformed-body"
    assert abs(int(result.path.removeprefix("@")) - ORDER.index(b": 130")) <= 4


@case(
    SECTION,
    "the same key twice",
    200,
    "as received; the last one counts, for the key and the event alike",
)
async def test_the_last_of_two_equal_keys_counts(served: Served) -> None:
    result = await judged(served, order(b'"id": 448725', b'"id": 1, "id": 448726'))

    assert result == CANONICAL
    assert served.record.key == b"run-free/boots/order:448726"


@case(SECTION, "half a surrogate pair in an id", 200,
      "as received; keyed with U+FFFD in its place, and so is the event")  # fmt: skip
@pytest.mark.parametrize("half", [rb"\ud800", rb"\udc00", rb"x\udbff"])
async def test_half_a_surrogate_pair_in_an_id_is_replaced(served: Served, half: bytes) -> None:
    result = await judged(served, order(b'"id": 448725', b'"id": "' + half + b'"'))

    text = half.decode()[:-6] + "\ufffd"
    assert result == CANONICAL
    assert served.record.key.decode() == f"run-free/boots/order:{text}"


@case(SECTION, "half a surrogate pair in a text", 200, "as received; an event, keyed by its id")
@pytest.mark.parametrize("half", [rb"\ud800", rb"\udc00", rb"x\udbff\u0041", rb"\ud83d"])
async def test_half_a_surrogate_pair_in_a_text_is_replaced(served: Served, half: bytes) -> None:
    result = await judged(served, order(b"Jeremy Tellier", half))

    assert result == CANONICAL
    assert served.record.key == b"run-free/boots/order:448725"


@case(SECTION, "U+0000 in a text, as an escape", 200, "as received; an event, keyed by its id")
async def test_a_nul_in_a_text_is_replaced(served: Served) -> None:
    result = await judged(served, order(b"Jeremy Tellier", rb"Jeremy\u0000Tellier"))

    assert result == CANONICAL
    assert served.record.key == b"run-free/boots/order:448725"


@case(SECTION, "NUL and other control bytes in a text", 200,
      "as received; an event, keyed by its id")  # fmt: skip
@pytest.mark.parametrize("byte", [b"\0", b"\x01", b"\x1f", b"\n"])
async def test_a_bare_control_byte_in_a_text_is_replaced(served: Served, byte: bytes) -> None:
    result = await judged(served, order(b"Jeremy Tellier", b"Jeremy" + byte))

    assert result == CANONICAL
    assert served.record.key == b"run-free/boots/order:448725"


@case(SECTION, "NUL and other control bytes between the fields", 200,
      "as received; dead letter `malformed-body` at the byte")  # fmt: skip
@pytest.mark.parametrize("byte", [b"\0", b"\x01", b"\x1f"])
async def test_a_bare_control_byte_between_fields_is_malformed(served: Served, byte: bytes) -> None:
    result = await judged(served, order(b'"id": 448725', byte + b'"id": 448725'))

    position = ORDER.index(b'"id": 448725')
    assert result == dead("malformed-body", f"@{position}")


@case(SECTION, "a BOM before UTF-8", 200, "as received; an event, keyed by its id")
async def test_a_byte_order_mark_before_the_document_is_skipped(served: Served) -> None:
    result = await judged(served, request(b"\xef\xbb\xbf" + ORDER, path=RUN_FREE))

    assert result == CANONICAL
    assert served.record.key == b"run-free/boots/order:448725"


@case(SECTION, "an id of 45255590281516.0, as a number or a text", 200,
      "keyed by the whole number, and so is the event")  # fmt: skip
@pytest.mark.parametrize(
    "spelled", [b"45255590281516.0", b'"45255590281516.0"', b"4.5255590281516E13"]
)
async def test_an_id_as_a_float_is_the_whole_number(served: Served, spelled: bytes) -> None:
    result = await judged(served, order(b'"id": 448725', b'"id": ' + spelled))

    assert result == CANONICAL
    assert served.record.key == b"run-free/boots/order:45255590281516"


ENCODED = {
    "UTF-16 with a BOM": ORDER.decode().encode("utf-16"),
    "UTF-16 without": ORDER.decode().encode("utf-16-be"),
    "UTF-32": ORDER.decode().encode("utf-32"),
    "Latin-1": ORDER.replace(b"Jeremy", "Jérémy".encode("latin-1")),
    "overlong UTF-8": ORDER.replace(b"Jeremy", b"\xc0\xafJeremy"),
    "a surrogate in UTF-8": ORDER.replace(b"Jeremy", b"\xed\xa0\x80"),
    "beyond Unicode": ORDER.replace(b"Jeremy", b"\xf4\x90\x80\x80"),
}


@case(SECTION, "UTF-16, UTF-32, Latin-1, overlong or otherwise invalid UTF-8", 200,
      "as received; dead letter `malformed-body` at the byte")  # fmt: skip
@pytest.mark.parametrize("name", ENCODED)
async def test_another_encoding_is_malformed(served: Served, name: str) -> None:
    body = ENCODED[name]
    result = await judged(served, request(body, path=RUN_FREE))
    try:
        body.decode()
        position = 0
    except UnicodeDecodeError as error:
        position = error.start

    assert result == dead("malformed-body", f"@{position}")


@case(SECTION, "a list, a text, a number or `null` instead of an object", 200,
      "as received; dead letter `invalid-payload` at `$`")  # fmt: skip
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true", b"[[{}]]"])
async def test_another_kind_of_document_is_invalid(served: Served, body: bytes) -> None:
    result = await judged(served, request(body, path=RUN_FREE))

    assert result == dead("invalid-payload", "$")


@case(SECTION, "50,000 unknown keys", 200, "as received; an event without most of them")
async def test_very_many_keys_are_an_event_of_bounded_size(served: Served) -> None:
    many = json.dumps({f"k{number}": number for number in range(50_000)}).encode()
    result = await judged(served, order(b'"note": "",', b'"note": "", "more": ' + many + b","))

    assert result == CANONICAL
