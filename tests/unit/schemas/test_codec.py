"""Our own Avro readers and writers against fastavro's."""

import io
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events
from schemas.codec import Codec, UnframedError, UnknownSchemaError, schema
from schemas.codegen import reader, writer
from schemas.codegen.bounded_cache import LONGEST, BoundedTextCache
from schemas.events import RECORDS, Record
from tests.drawn_records import AMOUNTS, RECORDS_OF

IDS = {name: number for number, name in enumerate(RECORDS, start=1)}
CODEC = Codec(IDS)
TODAY = 1_800_000_000_000_000
FEW = settings(max_examples=100)  # a record has forty fields to draw


def by_fastavro(whole: Any, number: int, record: Record) -> bytes:
    """What fastavro writes; times are integers, as our records hold them."""

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("logicalType") == "timestamp-micros":
                return "long"
            return {key: plain(value) for key, value in node.items()}
        return [plain(each) for each in node] if isinstance(node, list) else node

    parsed = fastavro.parse_schema(plain(whole), named_schemas={})
    names = {field["name"] for field in whole["fields"]}
    datum = msgspec.to_builtins(record, builtin_types=(Decimal,))
    datum = {name: value for name, value in datum.items() if name in names}
    out = io.BytesIO()
    out.write(b"\0" + number.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, parsed, datum, strict=True, disable_tuple_notation=True)
    return out.getvalue()


@pytest.mark.parametrize("name", RECORDS)
@FEW
@given(data=st.data())
def test_any_record_is_written_as_fastavro_writes_it_and_read_as_it_was(
    name: str, data: st.DataObject
) -> None:
    record = data.draw(RECORDS_OF[name])
    written = CODEC.encode(record)
    assert by_fastavro(schema(name), IDS[name], record) == written
    assert record == CODEC.decode(written)


@FEW
@given(RECORDS_OF["carts"], st.data())
def test_bytes_that_end_early_or_late_are_no_record(record: Record, data: st.DataObject) -> None:
    written = CODEC.encode(record)
    cut = data.draw(st.integers(5, len(written) - 1))
    for broken in (written[:cut], written + b"\0"):
        with pytest.raises((ValueError, IndexError)):
            CODEC.decode(broken)


@FEW
@given(RECORDS_OF["carts"], st.data())
def test_bytes_that_were_changed_give_a_record_or_an_error_of_data(
    record: Record, data: st.DataObject
) -> None:
    written = bytearray(CODEC.encode(record))
    at = data.draw(st.integers(5, len(written) - 1))
    written[at] = data.draw(st.integers(0, 255))
    try:
        found = CODEC.decode(bytes(written))
    except (ValueError, IndexError):
        return
    assert isinstance(found, events.Cart)


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_is_read_as_it_was_written(value: int) -> None:
    written = writer.long(value)
    assert (value, len(written)) == reader.long(written, 0)
    assert (value, len(written) + 1) == reader.long(b"\7" + written + b"\xff" * 9, 1)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_integer_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        writer.long(value)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_a_number_that_does_not_fit_into_32_bits_is_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        writer.integer(value)


@given(AMOUNTS)
def test_an_amount_is_read_as_it_was_written(amount: Decimal) -> None:
    written = writer.money(amount)
    assert amount == reader.money(written[1:])


@pytest.mark.parametrize(
    "amount", ["0.00001", "100000000000000", "-100000000000000", "1e999999", "NaN", "Infinity"]
)
def test_an_amount_that_does_not_fit_is_refused_and_never_rounded(amount: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        writer.money(Decimal(amount))


@pytest.mark.parametrize(
    ("amount", "same"),
    [("1.00000", "1"), ("1E+2", "100"), ("-0", "0"), ("10.50", "10.5")],
)
def test_an_amount_keeps_its_worth_however_it_is_spelled(amount: str, same: str) -> None:
    assert writer.money(Decimal(amount)) == writer.money(Decimal(same))


def test_what_is_of_another_type_is_refused() -> None:
    class Odd(msgspec.Struct):
        text: Any = "x"
        flag: Any = True
        word: Any = "A"

    kind = {"type": "enum", "name": "E", "symbols": ["A"]}
    fields = [("text", "string"), ("flag", "boolean"), ("word", kind)]
    node = {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in fields]}
    write = writer.compile_writer(node, b"", frozenset())
    assert write(Odd()) == b"\2x\1\0"
    for odd in (Odd(text=None), Odd(text=b"x"), Odd(flag=None), Odd(flag=2), Odd(word="B")):
        with pytest.raises((AttributeError, LookupError)):
            write(odd)


@pytest.mark.parametrize("node", [["null", "string", "int"], ["string", "null"], "double", "bytes"])
def test_a_schema_that_we_do_not_use_is_refused_when_it_is_compiled(node: Any) -> None:
    record = {"type": "record", "name": "R", "fields": [{"name": "f", "type": node}]}
    with pytest.raises(ValueError, match=r"string|double|bytes"):
        writer.compile_writer(record, b"", frozenset())
    with pytest.raises(ValueError, match=r"string|double|bytes"):
        reader.compile_reader(record, {}, 0)


def test_what_senders_may_write_at_any_length_is_remembered_only_where_it_is_short() -> None:
    made = BoundedTextCache(str, 2)
    short, long = "s" * LONGEST, "l" * (LONGEST + 1)
    assert [made[text] for text in (short, long, None)] == [short, long, "None"]
    assert set(made) == {short, None}


def test_objects_that_many_records_share_are_written_right_beyond_what_is_remembered() -> None:
    inner = {"type": "record", "name": "I", "fields": [{"name": "n", "type": "long"}]}
    node = {"type": "record", "name": "R", "fields": [{"name": "inner", "type": inner}]}

    class Inner(msgspec.Struct):
        n: int

    class Outer(msgspec.Struct):
        inner: Inner

    write = writer.compile_writer(node, b"", frozenset({"I"}))
    for number in range(2 * writer._MAX_CACHED):
        assert writer.long(number) == write(Outer(Inner(number)))


def test_bytes_of_another_frame_and_an_unknown_schema_raise_different_errors() -> None:
    with pytest.raises(UnframedError):
        CODEC.decode(b"\1\0\0\0\1rest")
    with pytest.raises(UnframedError):
        CODEC.decode(b"\0\0\0")
    with pytest.raises(UnknownSchemaError):
        CODEC.decode(b"\0\0\0\xff\xffrest")


@FEW
@given(RECORDS_OF["carts"])
def test_a_record_of_an_earlier_version_is_read_with_todays_defaults(record: events.Cart) -> None:
    today = schema("carts")
    fields = [field for field in today["fields"] if field["name"] not in ("total", "attributes")]
    old = {**today, "fields": fields}
    told = msgspec.structs.replace(record, total=None, attributes={})
    written = by_fastavro(old, 900, told)
    assert told == Codec(IDS, {900: ("carts", old)}).decode(written)


def test_settings_that_begin_alike_stay_distinct_and_equal_ones_are_one_object() -> None:
    def cart(number: int, *, counts: bool) -> events.Cart:
        settings = events.ShopSettings(
            timezone="America/Argentina/ComodRivadavia", abandon_after_s=1, expire_after_s=1,
            checkout_grace_s=1, counts_as_sale=counts,
        )  # fmt: skip
        meta = events.Meta(
            event_id="e", delivery_id="d", source="spiffy", shop="johns", entity="x", slot="cart",
            source_event="carts/update", change=events.Change.UPDATED, version_at=TODAY,
            occurred_at=TODAY + number, time_basis=events.TimeBasis.PAYLOAD,
            received_at=TODAY, raw_partition=0, raw_offset=number, raw_appended_at=TODAY,
            is_test=False, adapter_version=1, settings=settings,
        )  # fmt: skip
        return events.Cart(meta=meta, cart_id="1", abandoned=False)

    carts = [cart(number, counts=number % 3 == 0) for number in range(2 * reader._MAX_CACHED)]
    found = [CODEC.decode(CODEC.encode(each)) for each in carts]
    assert carts == found
    assert found[1].meta.settings is found[2].meta.settings  # type: ignore[attr-defined]
