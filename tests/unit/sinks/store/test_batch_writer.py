"""What a sink makes of records whose schema is newer, another topic's, or none of ours."""

import copy
import io
from dataclasses import replace
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.registry.client import RegistryError
from runtime.stage import MovedError, Partition, RefusedError
from schemas import codec
from schemas.codec import Codec
from schemas.events import RECORDS
from schemas.topics import CARTS, ORDERS
from sinks.store.batch_transaction import DecodedBatches
from sinks.store.batch_writer import Writer
from tests.sink_events import NOON, batch, cart, order, record

IDS = {name: number for number, name in enumerate(RECORDS, start=1)}
NEWER = 99


def fresh() -> Codec:
    return Codec(IDS)


async def prepared(ours: Codec, records: list[Any], learn: Any = None) -> DecodedBatches:
    options = {} if learn is None else {"learn": learn}
    writer = Writer(None, ours, lambda: NOON, **options)  # type: ignore[arg-type]
    where = Partition(records[0].topic, 0)
    return await writer.prepare([batch(where, 0, records)])


def of_version_3(event: Any) -> bytes:
    """The event as a Hookline with one more nullable field and one more status writes it."""
    schema = newer_schema()
    datum = fastavro.schemaless_reader(
        io.BytesIO(fresh().encode(event)[5:]), without_times(codec.schema("orders"))
    )
    out = io.BytesIO()
    fastavro.schemaless_writer(out, without_times(schema), {**datum, "loyalty_points": 7})
    return b"\0" + NEWER.to_bytes(4, "big") + out.getvalue()


def newer_schema() -> dict[str, Any]:
    schema = copy.deepcopy(codec.schema("orders"))
    field = {"name": "loyalty_points", "type": ["null", "long"], "default": None}
    schema["fields"].insert(2, field)
    return schema


def without_times(schema: Any) -> Any:
    return fastavro.parse_schema(codec._without_times(schema), named_schemas={})


async def test_a_record_of_a_newer_schema_is_read_without_the_fields_that_we_do_not_know() -> None:
    event, ours = order("1", NOON), fresh()
    asked: list[tuple[int, str]] = []

    async def learn(schema_id: int, name: str) -> None:
        asked.append((schema_id, name))
        ours.add(schema_id, name, newer_schema())

    newer = [record(ORDERS.name, at, event, value=of_version_3(event)) for at in range(3)]
    done = await prepared(ours, newer, learn)
    assert [decoded.event for decoded in done.decoded] == [event] * 3
    assert (asked, done.refused) == ([(NEWER, "orders")], [])


async def test_a_schema_that_does_not_resolve_stops_the_partition() -> None:
    async def learn(_schema_id: int, _name: str) -> None:
        raise RegistryError("it does not resolve into ours")

    event = order("1", NOON)
    with pytest.raises(RefusedError, match="it does not resolve into ours"):
        await prepared(fresh(), [record(ORDERS.name, 0, event, value=of_version_3(event))], learn)


@pytest.mark.parametrize("name", sorted(set(IDS) - {"orders"}))
async def test_an_event_with_the_id_of_another_topic_stops_the_partition(name: str) -> None:
    event = order("1", NOON)
    value = b"\0" + IDS[name].to_bytes(4, "big") + fresh().encode(event)[5:]
    with pytest.raises(RefusedError, match=f"has the schema id of {name}"):
        await prepared(fresh(), [record(ORDERS.name, 0, event, value=value)])


async def test_an_event_that_decodes_into_another_topics_type_stops_the_partition() -> None:
    event = cart("1", NOON, [])
    with pytest.raises(RefusedError, match="has the schema id of carts"):
        await prepared(fresh(), [record(f"t_{ORDERS.name}", 0, event)])


async def test_a_record_of_another_producer_is_set_aside_whatever_its_schema() -> None:
    foreign = [
        replace(record(ORDERS.name, at, cart("1", NOON, []), value=value), headers=())
        for at, value in enumerate(
            [fresh().encode(cart("1", NOON, [])), b"\0\0\0\0\x63new", b"\0\0\0\0\1", b"", b"{}"]
        )
    ]
    done = await prepared(fresh(), foreign)
    assert ([], len(foreign)) == (done.decoded, len(done.refused))


@given(
    st.none() | st.binary(max_size=40),
    st.lists(st.tuples(st.sampled_from(["hookline-delivery", "x"]), st.none() | st.binary())),
)
async def test_no_bytes_of_another_producer_end_a_sink(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    foreign = replace(
        record(CARTS.name, 0, cart("1", NOON, []), value=value), headers=tuple(headers)
    )
    done = await prepared(fresh(), [foreign])
    assert len(done.decoded) + len(done.refused) == 1


class Answered:
    """A cursor with the answer of one statement."""

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def __aiter__(self) -> "Answered":
        return self

    async def __anext__(self) -> tuple[Any, ...]:
        if not self._rows:
            raise StopAsyncIteration
        return self._rows.pop()

    async def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop() if self._rows else None


class OneFence:
    """A connection, and the database that runs work on it, with one stored offset."""

    def __init__(self, stored: int, *, answers: bool = True) -> None:
        self.stored, self._answers = stored, answers

    async def run(self, work: Any, _is_wanted: Any) -> None:
        await work(self)
        if not self._answers:  # committed, but the reply is lost: the work is repeated
            await work(self)

    async def execute(self, statement: str, values: Any = ()) -> Answered:
        if "UPDATE fences" in statement:
            moves = values[3] == [self.stored]
            self.stored = values[4][0] if moves else self.stored
            return Answered([], int(moves))
        if "FROM fences" in statement:
            return Answered([(ORDERS.name, 0, self.stored, None, None)], 1)
        return Answered([], 0)


@pytest.fixture
def nothing_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    async def apply(*_: Any, **__: Any) -> None:
        """Write no row."""

    monkeypatch.setattr("sinks.store.apply.apply", apply)


async def committed(database: OneFence, records: list[Any]) -> list[Any]:
    """Store records from offset 0 on; what the writer calls stored after its commit."""
    given: list[Any] = []
    writer = Writer(database, fresh(), lambda: NOON, committed=given.extend)  # type: ignore[arg-type]
    await writer.store([batch(Partition(ORDERS.name, 0), 0, records)], None)
    return given


@pytest.mark.usefixtures("nothing_applied")
async def test_a_commit_names_the_records_that_it_stored() -> None:
    sound, strange = record(ORDERS.name, 0, order("1", NOON)), record(CARTS.name, 1, order("2", 1))
    foreign = replace(strange, topic=ORDERS.name, headers=(), value=b"{}")
    stored = await committed(OneFence(stored=0), [sound, foreign])
    assert [each.record for each in stored] == [sound]


@pytest.mark.usefixtures("nothing_applied")
@pytest.mark.parametrize("database", [OneFence(stored=1), OneFence(stored=0, answers=False)])
async def test_what_was_stored_before_is_not_named_again(database: OneFence) -> None:
    sound = record(ORDERS.name, 0, order("1", NOON))
    assert await committed(database, [sound]) == []
    assert database.stored == 1


@pytest.mark.usefixtures("nothing_applied")
async def test_nothing_is_named_of_a_batch_that_is_given_back() -> None:
    given: list[Any] = []
    writer = Writer(OneFence(stored=5), fresh(), lambda: NOON, committed=given.extend)  # type: ignore[arg-type]
    sound = record(ORDERS.name, 0, order("1", NOON))
    with pytest.raises(MovedError):
        await writer.store([batch(Partition(ORDERS.name, 0), 0, [sound])], None)
    assert given == []
