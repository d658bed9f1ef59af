"""Spans: a delivery in its sender's trace, a batch linked to its deliveries, none where off."""

import builtins
import threading
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runtime import traces
from runtime.settings import Settings, SettingsError
from runtime.traces import MAX_LINKS, Traces, spanning, traces_of
from schemas.trace_context import TraceContext, parse

SENDER = TraceContext(0xABC, 0xDEF, is_sampled=True)


class House:
    """Traces whose spans stay in memory."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.traces = Traces("test", self._memory)

    def spans(self) -> list[ReadableSpan]:
        self.traces._provider.force_flush()
        return list(self._memory.get_finished_spans())


@pytest.fixture
def house() -> House:
    return House()


def batch(count: int, number: int = 0) -> Any:
    partition = SimpleNamespace(topic="hookline.webhooks", number=number)
    return SimpleNamespace(records=[None] * count, partition=partition)


def test_a_delivery_is_a_span_of_its_senders_trace_and_its_record_passes_it_on(
    house: House,
) -> None:
    received = house.traces.received(SENDER.header)
    passed_on = parse(received.header)
    received.end(shop="johns")
    (span,) = house.spans()
    assert span.parent is not None
    assert span.context is not None
    assert (span.parent.trace_id, span.parent.span_id) == SENDER[:2]
    assert passed_on == (SENDER.trace_id, span.context.span_id, True)
    assert span.attributes == {"hookline.shop": "johns"}


@pytest.mark.parametrize("header", [None, b"", b"00-0-0-01"])
def test_a_delivery_without_a_trace_begins_one(house: House, header: bytes | None) -> None:
    received = house.traces.received(header)
    received.end()
    (span,) = house.spans()
    assert span.parent is None
    assert span.context is not None
    assert parse(received.header) == (span.context.trace_id, span.context.span_id, True)


def test_the_sender_decides_whether_its_delivery_is_recorded(house: House) -> None:
    received = house.traces.received(SENDER._replace(is_sampled=False).header)
    received.end()
    assert house.spans() == []
    passed_on = parse(received.header)
    assert passed_on is not None
    assert not passed_on.is_sampled


def test_a_delivery_that_is_not_acknowledged_is_an_error(house: House) -> None:
    house.traces.received(None).end("TimeoutError")
    (span,) = house.spans()
    assert not span.status.is_ok
    assert span.status.description == "TimeoutError"


def test_a_batch_is_linked_to_each_recorded_trace_once(house: House) -> None:
    others = [TraceContext(number, 1, is_sampled=number != 3) for number in range(1, 5)]
    headers = [None, b"?", *(each.header for each in others), others[0].header]
    with house.traces.batch("process", [batch(7)], headers):
        pass
    (span,) = house.spans()
    assert [link.context.trace_id for link in span.links] == [1, 2, 4]
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.batch.message_count": 7,
        "messaging.destination.name": "hookline.webhooks",
        "messaging.destination.partition.id": "0",
        "hookline.traced_deliveries": 3,
    }


def test_a_large_batch_keeps_a_bounded_number_of_links_and_counts_all(house: House) -> None:
    headers = [TraceContext(number, 1, is_sampled=True).header for number in range(1, 500)]
    with house.traces.batch("store", [batch(400), batch(99, 1)], headers):
        pass
    (span,) = house.spans()
    assert len(span.links) == MAX_LINKS
    assert span.attributes is not None
    assert span.attributes["hookline.traced_deliveries"] == 499
    assert "messaging.destination.name" not in span.attributes


def test_a_batch_that_fails_is_an_error_by_its_kind_and_is_raised_on(house: House) -> None:
    """Its text may quote what a sender wrote."""
    with (
        pytest.raises(ValueError, match="jane"),
        house.traces.batch("store", [batch(1)], []),
    ):
        raise ValueError("jane@example.com")
    (span,) = house.spans()
    assert span.status.description == "ValueError"


def test_nothing_is_read_of_a_batch_where_traces_are_off() -> None:
    def deliveries() -> Any:
        raise AssertionError("read")
        yield

    with spanning(None, "process", [batch(1)], deliveries()):
        pass


def test_traces_are_off_without_an_endpoint() -> None:
    assert traces_of(Settings(), "ingest", AsyncExitStack()) is None


async def test_an_endpoint_turns_them_on_until_the_stage_ends() -> None:
    async with AsyncExitStack() as opened:
        found = traces_of(Settings(otlp_endpoint="http://127.0.0.1:1"), "ingest", opened)
        assert found is not None


async def test_an_endpoint_without_the_packages_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install 'hookline\[traces\]'"):
        traces_of(Settings(otlp_endpoint="http://127.0.0.1:1"), "ingest", AsyncExitStack())


async def test_a_collector_that_takes_nothing_holds_a_stage_up_for_a_bound(
    monkeypatch: pytest.MonkeyPatch, house: House
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(traces, "FLUSH", 0.05)
    monkeypatch.setattr(house.traces._provider, "shutdown", ended.wait)
    await house.traces.close()
    ended.set()
