"""The small pure parts of the ingress: ids, partitions, limits, bodies, secrets, queries."""

import asyncio
import gzip
import heapq
import itertools
import uuid
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.http.body import Body, BusyError
from ingest.http.deadlines import Deadlines, within
from ingest.http.limits import InFlight, Quotas
from ingest.http.request_head import without_secrets
from ingest.ids import new_delivery, uuid7
from ingest.partitioner import murmur2, partition_of
from ingest.secrets import RETRY_AFTER, SecretBook, SecretsError, resolve
from runtime.gzip_body import BodyTooLargeError, MalformedGzipError, inflate
from schemas.shops import Shop


@given(st.integers(0, 2**60), st.integers(0, 2**64 - 1))
def test_a_delivery_id_is_a_uuid_of_version_7_at_its_millisecond(now: Any, random: Any) -> None:
    made = uuid.UUID(uuid7(now, random).decode())

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert now // 1_000_000 % 2**48 == made.int >> 80


@given(st.integers(0, 2**60), st.integers(1000, 10**9))
def test_delivery_ids_sort_by_time_down_to_a_microsecond(now: Any, later: Any) -> None:
    assert uuid7(now, 2**64 - 1) < uuid7(now + later, 0)


def test_new_deliveries_have_ids_of_their_own() -> None:
    ids = {new_delivery()[0] for _ in range(1000)}

    assert len(ids) == 1000


@given(st.binary(max_size=600))
def test_the_fast_hash_is_the_default_partitioners(key: Any) -> None:
    assert reference(key) == murmur2(key)


@given(st.binary(min_size=1, max_size=120), st.integers(1, 64))
def test_the_partition_is_the_default_partitioners(key: Any, count: Any) -> None:
    partitions = list(range(count))

    assert DefaultPartitioner()(key, partitions, partitions) == partition_of(key, count)


@given(st.binary(max_size=2000), st.integers(0, 9))
def test_inflating_undoes_gzip(content: Any, level: Any) -> None:
    assert content == inflate(gzip.compress(content, level), 2000)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_all_members_of_a_gzip_stream_are_inflated(parts: Any) -> None:
    body = b"".join(gzip.compress(part) for part in parts)

    assert b"".join(parts) == inflate(body, 2000)


def test_a_body_that_inflates_beyond_the_limit_is_too_large() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    assert len(bomb) < 60_000
    with pytest.raises(BodyTooLargeError):
        inflate(bomb, 1 << 20)


def test_members_count_together_against_the_limit() -> None:
    member = gzip.compress(b"x" * 600)

    assert len(inflate(member, 1000)) == 600
    with pytest.raises(BodyTooLargeError):
        inflate(member + member, 1000)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_gzip_stream_cut_short_is_malformed(content: Any, data: Any) -> None:
    whole = gzip.compress(content)
    cut = data.draw(st.integers(1, len(whole) - 1))

    with pytest.raises(MalformedGzipError):
        inflate(whole[:cut], 1000)


@pytest.mark.parametrize(
    "body", [b"{}", b"\x1f\x8b", gzip.compress(b"x", mtime=0) + b"!", zlib.compress(b"x")]
)
def test_what_is_no_gzip_stream_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedGzipError):
        inflate(body, 1000)


def test_bytes_in_flight_are_refused_beyond_the_limit_and_given_back() -> None:
    in_flight = InFlight(10)

    assert in_flight.take(6)
    assert not in_flight.take(5)
    assert in_flight.held == 6
    in_flight.give(6)
    assert in_flight.take(10)


async def _receive_of(*chunks: Any) -> Any:
    for chunk in chunks[:-1]:
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": chunks[-1], "more_body": False}


async def test_a_body_in_one_piece_is_not_copied() -> None:
    piece = b"x" * 1000
    messages = _receive_of(piece)

    assert piece is await Body(InFlight(5000)).read(messages.__anext__, 5000)


async def test_a_body_that_passes_the_bound_lets_go_of_all_it_held() -> None:
    in_flight = InFlight(25)
    body = Body(in_flight)
    messages = _receive_of(b"x" * 10, b"x" * 10, b"x" * 10)

    with pytest.raises(BusyError):
        await body.read(messages.__anext__, 100)
    assert in_flight.held == 20
    body.release()
    body.release()
    assert in_flight.held == 0


def test_a_shop_gets_its_quota_each_second_with_bursts_of_one_second() -> None:
    now = [100.0]
    quotas = Quotas(lambda: now[0])
    shop = ("gooten", "prints")

    assert [quotas.take(shop, 3) for _ in range(4)] == [0, 0, 0, 1]
    now[0] += 0.5
    assert [quotas.take(shop, 3) for _ in range(2)] == [0, 1]
    now[0] += 1000
    assert [quotas.take(shop, 3) for _ in range(4)] == [0, 0, 0, 1]


def test_one_shops_quota_is_not_anothers() -> None:
    quotas = Quotas(lambda: 0.0)

    assert [quotas.take(("gooten", "a"), 1) for _ in range(2)] == [0, 1]
    assert quotas.take(("gooten", "b"), 1) == 0


def test_secrets_are_the_text_a_variable_or_a_file(tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"from file\n")

    assert resolve("plain:text") == b"plain:text"
    assert resolve("env:NAME", {"NAME": "from env"}) == b"from env"
    assert resolve(f"file:{file}") == b"from file"


@pytest.mark.parametrize("reference", ["env:NOT_THERE", "file:/not/there"])
def test_a_reference_to_nothing_names_what_is_missing(reference: Any) -> None:
    with pytest.raises(SecretsError, match=r"(?i)not.there"):
        resolve(reference, {})


def test_secrets_are_resolved_once_and_again_after_clear(tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_text("one")
    shop = Shop(source="gooten", id="prints", secrets=(f"file:{file}", "two"))
    book = SecretBook()

    assert book.of(shop) == (b"one", b"two")
    file.write_text("three")
    assert book.of(shop) == (b"one", b"two")
    book.clear()
    assert book.of(shop) == (b"three", b"two")


def test_one_missing_secret_leaves_the_other_in_use() -> None:
    shop = Shop(source="gooten", id="prints", secrets=("file:/not/there", "two"))

    assert SecretBook().of(shop) == (b"two",)


def test_a_failure_to_resolve_is_tried_again_after_a_while(tmp_path: Any) -> None:
    now = [0.0]
    file = tmp_path / "secret"
    shop = Shop(source="gooten", id="prints", secrets=(f"file:{file}",))
    book = SecretBook(lambda: now[0])

    with pytest.raises(SecretsError):
        book.of(shop)
    file.write_text("late")
    with pytest.raises(SecretsError):
        book.of(shop)
    now[0] += RETRY_AFTER
    assert book.of(shop) == (b"late",)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"orderid=12345", b"orderid=12345"),
        (b"orderid=", b"orderid="),
        (b"orderid=1&token=abc&access_token=x&sig=1&page=2", b"orderid=1&page=2"),
        (b"a=the+secret&b=fine", b"b=fine"),
        (b"a=the%20secret&b=%C3%A9", b"b=%C3%A9"),
        (b"&&", b""),
    ],
)
def test_a_query_is_kept_without_secrets(query: Any, kept: Any) -> None:
    assert kept == without_secrets(query, (b"the secret",))


async def test_work_that_is_late_is_cancelled_and_a_timeout() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert ended == ["cancelled"]


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    task = asyncio.create_task(within(60, asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_never_waits_needs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> str:
        return "done"

    async def fails() -> None:
        raise ValueError("at once")

    monkeypatch.setattr(asyncio, "get_running_loop", None)
    assert await within(0, work()) == "done"
    with pytest.raises(ValueError, match="at once"):
        await within(0, fails())


async def test_work_that_waits_often_is_given_all_that_it_waits_for() -> None:
    async def work() -> list[int]:
        return [await asyncio.sleep(0.001, number) for number in range(3)]

    assert await within(60, work()) == [0, 1, 2]


def _told(future: "asyncio.Future[int]", seconds: float) -> list[Any]:
    """A list of what is told of a future, and when."""
    told: list[Any] = []
    Deadlines(seconds).watch(future, lambda: told.append("settled"), told.append)
    return told


async def test_what_is_waited_for_too_long_is_told_once_and_not_cancelled() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    told = _told(future, 0.01)
    await asyncio.sleep(0.03)

    [late] = told
    assert isinstance(late, TimeoutError)
    assert not future.cancelled()
    future.set_result(1)
    await asyncio.sleep(0)
    assert told == [late, "settled"]


async def test_what_is_waited_for_is_told_once_it_is_there_and_no_timeout_follows() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    told = _told(future, 0.01)
    await asyncio.sleep(0)
    assert told == []
    future.set_result(1)
    await asyncio.sleep(0.03)
    assert told == ["settled", None]


async def test_an_error_of_what_is_waited_for_is_told_as_it_is() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    error = ValueError("no")
    told = _told(future, 1)
    future.set_exception(error)
    await asyncio.sleep(0)

    assert told == ["settled", error]


async def test_a_cancellation_of_what_is_waited_for_is_told_as_an_error() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    told = _told(future, 1)
    future.cancel()
    await asyncio.sleep(0)

    [settled_, error] = told
    assert settled_ == "settled"
    assert isinstance(error, asyncio.CancelledError)


class Clock:
    """What Deadlines asks of a loop, on a time of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, int, Callable[[], object]]] = []
        self.numbers = itertools.count()
        self.armed = self.most_armed = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., object], *arguments: Any) -> Any:
        self.armed += 1
        self.most_armed = max(self.most_armed, self.armed)

        def fire() -> None:
            self.armed -= 1
            call(*arguments)

        self.at(when, fire)
        return fire

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> Any:
        return self.call_at(self.now + delay, call, *arguments)

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

    def at(self, when: float, call: Callable[[], object]) -> None:
        heapq.heappush(self.timers, (when, next(self.numbers), call))

    def run(self) -> None:
        while self.timers:
            self.now, _, call = heapq.heappop(self.timers)
            call()


class Settling:
    """What Deadlines asks of a future, on that clock; ``end`` settles it."""

    def __init__(self, clock: Clock) -> None:
        self.get_loop = lambda: clock
        self.end: Callable[[object], object] = lambda _: None
        self.add_done_callback = lambda end: setattr(self, "end", end)
        self.cancelled = lambda: False
        self.exception = lambda: None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=30))
def test_of_all_that_is_waited_for_each_is_told_once_by_its_own_time(
    waits: list[tuple[int, int]],
) -> None:
    clock, deadlines = Clock(), Deadlines(10)
    told: dict[int, list[tuple[float, bool]]] = {number: [] for number in range(len(waits))}
    freed: list[int] = []

    def begin(number: int, lasts: int) -> None:
        settling = Settling(clock)

        def tell(error: BaseException | None) -> None:
            told[number].append((clock.now, isinstance(error, TimeoutError)))

        deadlines.watch(settling, lambda: freed.append(number), tell)  # type: ignore[arg-type]
        clock.at(clock.now + lasts, lambda: settling.end(settling))

    for number, (begins, lasts) in enumerate(waits):
        assume(lasts != 10)
        clock.at(begins, partial(begin, number, lasts))
    clock.run()
    wanted = {
        number: [(begins + min(lasts, 10), lasts > 10)]
        for number, (begins, lasts) in enumerate(waits)
    }
    assert wanted == told
    assert sorted(freed) == sorted(told)
    assert clock.most_armed <= 1
    assert not deadlines._waiting
