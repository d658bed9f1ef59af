"""The private parts of Faust, mode, aiokafka and uvicorn that we override or call: each by name.

The four are pinned exactly. Whoever raises a pin reads the failures here first.
"""

import importlib.metadata
import inspect
import operator
from typing import Any

import aiokafka
import httptools
import pytest
import uvicorn
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.record.memory_records import MemoryRecords
from faust import App, streams
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage
from faust.worker import Worker as FaustWorker
from uvicorn.protocols.http import h11_impl, httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from ingest.http.bounded_protocol import BoundedProtocol
from runtime.consumer.batch_consumer import BatchConsumer
from runtime.consumer.client.thread import ConsumerThread
from runtime.kafka import producer
from runtime.worker import Worker
from schemas.envelopes import Outcome


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("faust-streaming", "0.15.3"),
        ("mode-streaming", "0.7.1"),
        ("aiokafka", "0.14.0"),
        ("uvicorn", "0.54.0"),
    ],
)
def test_the_versions_whose_private_parts_we_know_are_installed(name: str, version: str) -> None:
    assert importlib.metadata.version(name) == version


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (consumer.Consumer, "perform_seek"),
        (consumer.Consumer, "resume_flow"),
        (consumer.Consumer, "wait_empty"),
        (consumer.Consumer, "close"),
        (consumer.Consumer, "commit"),
        (consumer.Consumer, "on_partitions_revoked"),
        (consumer.Consumer, "on_partitions_assigned"),
        (consumer.Consumer, "_drain_messages"),
        (driver.Consumer, "_new_consumer_thread"),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (driver.AIOKafkaConsumerThread, "on_start"),
        (driver.AIOKafkaConsumerThread, "verify_event_path"),
        (driver.AIOKafkaConsumerThread, "on_partitions_assigned"),
        (App, "_on_agent_error"),
        (App, "on_start"),
        (App, "on_stop"),
    ],
)
def test_every_part_that_we_override_exists(owner: type, name: str) -> None:
    assert callable(getattr(owner, name))


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (BatchConsumer, driver.Consumer, "_drain_messages"),
        (BatchConsumer, driver.Consumer, "commit"),
        (BatchConsumer, driver.Consumer, "on_partitions_revoked"),
        (BatchConsumer, driver.Consumer, "on_partitions_assigned"),
        (ConsumerThread, driver.AIOKafkaConsumerThread, "on_partitions_assigned"),
        (ConsumerThread, driver.AIOKafkaConsumerThread, "verify_event_path"),
        (Worker, App, "_on_agent_error"),
    ],
)
def test_overrides_take_the_same_arguments(ours: type, theirs: type, name: str) -> None:
    def names(owner: type) -> list[str]:
        return list(inspect.signature(getattr(owner, name)).parameters)

    assert names(ours) == names(theirs)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (consumer.Consumer, "_get_active_partitions"),
        (driver.Consumer, "_getmany"),
        (consumer.Consumer, "wait_first"),
        (driver.AIOKafkaConsumerThread, "_ensure_consumer"),
        (driver.AIOKafkaConsumerThread, "seek_wait"),
        (consumer.ConsumerThread, "call_thread"),
        (GroupCoordinator, "_do_heartbeat"),
        (GroupCoordinator, "_push_error_to_user"),
        (GroupCoordinator, "fetch_committed_offsets"),
        (aiokafka.AIOKafkaProducer, "create_batch"),
        (aiokafka.AIOKafkaProducer, "send_batch"),
        (BatchBuilder, "append"),
        (BatchBuilder, "close"),
        (PartitionRecords, "_consumer_record"),
    ],
)
def test_every_part_that_we_call_exists(owner: type, name: str) -> None:
    assert callable(getattr(owner, name))


def test_fetching_is_what_keeps_a_member_from_counting_as_idle() -> None:
    assert "fetch_context()" in inspect.getsource(driver.AIOKafkaConsumerThread._fetch_records)
    assert "_fetch_records" in inspect.getsource(driver.AIOKafkaConsumerThread.getmany)


def test_a_fetcher_keeps_results_in_a_dict_and_reads_their_records_one_by_one() -> None:
    assert "self._records = collections.OrderedDict()" in inspect.getsource(Fetcher.__init__)
    assert "self._records[tp] = FetchResult(" in inspect.getsource(Fetcher._proc_fetch_request)
    assert "for msg in self._partition_records:" in inspect.getsource(FetchResult.getall)
    reading = inspect.getsource(PartitionRecords._unpack_records)
    for part in ("has_next()", "next_batch()", "validate_crc()", "is_control_batch"):
        assert part in reading
    assert "self.next_fetch_offset = next_batch.next_offset" in reading
    assert "self._records_iterator = self._unpack_records()" in inspect.getsource(PartitionRecords)


def test_what_a_batch_is_given_is_appended_to_its_builder_and_counted() -> None:
    """Ours goes there itself; a batch that is full is closed when it is sent."""
    source = inspect.getsource(BatchBuilder.append)
    assert "metadata = self._builder.append(\n            self._relative_offset," in source
    assert "self._relative_offset += 1" in source
    ours, theirs = (BatchBuilder(1 << 15, 0) for _ in range(2))
    for number in range(300):
        told = Outcome("t", b"key %d" % number, b"v" * number, [("h", b"%d" % number)])
        is_taken = producer._append(ours, told)
        metadata = theirs.append(
            timestamp=None, key=told.key, value=told.value, headers=told.headers
        )
        assert is_taken is (metadata is not None)
    assert 0 < ours.record_count() == theirs.record_count() < 300
    assert _said(ours) == _said(theirs)


def _said(batch: Any) -> list[Any]:
    batch.close()
    [records] = [MemoryRecords(bytes(batch._build())).next_batch()]
    return [(each.offset, each.key, each.value, each.headers) for each in records]


def test_a_consumer_tells_which_offset_is_out_of_range() -> None:
    source = inspect.getsource(Fetcher)
    assert "OffsetOutOfRangeError({tp: fetch_offset})" in source
    assert "NoOffsetForPartitionError(tp)" in source


def test_a_client_gives_each_connection_its_own_patience() -> None:
    source = inspect.getsource(aiokafka.client.AIOKafkaClient)
    assert "request_timeout_ms=self._request_timeout_ms" in source
    assert "_request_timeout_ms / 1000" in inspect.getsource(aiokafka.AIOKafkaProducer.send_batch)


def test_a_client_has_a_fetcher_once_it_can_be_asked() -> None:
    assert "self._fetcher = None" in inspect.getsource(aiokafka.AIOKafkaConsumer.__init__)


def test_a_fetcher_asks_a_broker_once_at_a_time_and_reads_its_wait_for_each_request() -> None:
    source = inspect.getsource(Fetcher._get_actions_per_node)
    assert "elif node_id in self._in_flight" in source
    assert "self._fetch_max_wait_ms," in source


def test_the_compiled_stream_iterator_is_there_and_leaves_acknowledging_to_us() -> None:
    assert not streams.NO_CYTHON
    assert streams._CStreamIterator is not None
    assert "enable_acks" in inspect.getsource(streams.Stream)


def test_faust_judges_progress_by_books_that_we_do_not_keep_and_by_one_method() -> None:
    """Overridden: it would call every partition with a lag stuck, as none is ever committed."""
    judging = inspect.getsource(driver.AIOKafkaConsumerThread.verify_event_path)
    assert "SLOW_PROCESSING_NO_COMMIT_SINCE_START" in judging
    assert "verify_event_path(now, tp)" in inspect.getsource(
        consumer.Consumer.verify_all_partitions_active
    )
    assert inspect.getsource(driver).count("self._log_slow_processing_commit(") == judging.count(
        "self._log_slow_processing_commit("
    )


def test_a_worker_without_a_spinner_writes_nothing_but_its_log() -> None:
    assert "if self.spinner:" in inspect.getsource(FaustWorker._on_startup_end_spinner)


def test_a_message_carries_its_generation_or_the_stream_drops_it() -> None:
    assert "generation_id" in inspect.signature(ConsumerMessage).parameters


def test_an_unanswered_idempotent_batch_is_repeated_for_as_long_as_the_producer_lives() -> None:
    source = inspect.getsource(SendProduceReqHandler._can_retry)
    assert "_txn_manager is None" in source
    assert "expired()" in source


PROTOCOL = httptools_impl.HttpToolsProtocol


@pytest.mark.parametrize(
    "name",
    [
        "connection_made",
        "connection_lost",
        "data_received",
        "pause_writing",
        "resume_writing",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
        "timeout_keep_alive_handler",
        "_start_asgi_task",
        "_unset_keepalive_if_required",
    ],
)
def test_every_part_of_uvicorns_protocol_that_we_override_exists(name: str) -> None:
    ours, theirs = (getattr(owner, name) for owner in (BoundedProtocol, PROTOCOL))
    assert ours is not theirs
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def _protocol() -> Any:
    config = uvicorn.Config(print, loop="none", ws="none", lifespan="off", log_config=None)
    protocol = PROTOCOL(config, ServerState(), {}, _loop=Any)  # type: ignore[arg-type]
    protocol.on_message_begin()
    return protocol


@pytest.mark.parametrize(
    "name",
    [
        "cycle",
        "expect_100_continue",
        "flow",
        "headers",
        "loop",
        "parser",
        "pipeline",
        "server_state.default_headers",
        "server_state.total_requests",
        "timeout_keep_alive",
        "timeout_keep_alive_task",
        "transport",
        "url",
    ],
)
def test_every_attribute_of_uvicorns_protocol_that_we_use_exists(name: str) -> None:
    operator.attrgetter(name)(_protocol())


@pytest.mark.parametrize(
    "name",
    [
        "body",
        "default_headers",
        "disconnected",
        "keep_alive",
        "more_body",
        "on_response",
        "response_complete",
        "response_started",
        "scope",
        "waiting_for_100_continue",
    ],
)
def test_every_attribute_of_uvicorns_cycle_that_we_use_exists(name: str) -> None:
    theirs = httptools_impl.RequestResponseCycle
    parameters = list(inspect.signature(theirs).parameters)
    assert hasattr(theirs(**dict.fromkeys(parameters)), name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["resume_reading", "write_paused"])
def test_every_attribute_of_uvicorns_flow_control_that_we_use_exists(name: str) -> None:
    assert hasattr(FlowControl(None), name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["connection_made", "connection_lost", "handle_events", "pause_writing", "resume_writing"],
)
def test_every_part_of_uvicorns_h11_protocol_that_we_override_exists(name: str) -> None:
    assert callable(getattr(h11_impl.H11Protocol, name))


def test_uvicorns_h11_protocol_handles_its_events_in_one_place_and_has_a_flow() -> None:
    theirs = h11_impl.H11Protocol
    for part in ("self.conn = h11.Connection(", "self.loop = ", "self.transport", "self.flow"):
        assert part in inspect.getsource(theirs.__init__)
    for name in ("data_received", "on_response_complete"):
        assert "self.handle_events()" in inspect.getsource(getattr(theirs, name))
    for name in ("pause_writing", "resume_writing"):
        assert f"self.flow.{name}()" in inspect.getsource(getattr(theirs, name))
    assert "self.flow.resume_writing()" in inspect.getsource(theirs.connection_lost)


def test_what_we_do_instead_of_uvicorn_is_still_what_it_does() -> None:
    """Ours repeats these lines, or relies on them."""
    for method, line in (
        (PROTOCOL.on_header, "self.headers.append((name, value))"),
        (PROTOCOL.on_header, "self.expect_100_continue = True"),
        (PROTOCOL.on_headers_complete, "self.pipeline.appendleft((self.cycle, app))"),
        (PROTOCOL.on_headers_complete, "on_response=self.on_response_complete"),
        (PROTOCOL.on_response_complete, "self.server_state.total_requests += 1"),
        (PROTOCOL.on_response_complete, "self.pipeline.pop()"),
        (httptools_impl.RequestResponseCycle.run_asgi, "self.on_response = lambda: None"),
        (httptools_impl.RequestResponseCycle.send, "self.response_complete = True"),
    ):
        assert line in inspect.getsource(method), line
    assert httptools_impl.STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"


def test_a_parser_that_stops_at_an_upgrade_gives_the_offset_after_the_head() -> None:
    head = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    parser = httptools.HttpRequestParser(object())
    with pytest.raises(httptools.HttpParserUpgrade) as stopped:
        parser.feed_data(head + b"rest")
    assert stopped.value.args[0] == len(head)
    assert parser.should_upgrade()
    assert (parser.get_method(), parser.get_http_version()) == (b"GET", "1.1")


def test_an_error_of_a_callback_is_an_error_of_the_parser() -> None:
    class Stopping:
        def on_url(self, _url: bytes) -> None:
            raise ArithmeticError

    with pytest.raises(httptools.HttpParserError):
        httptools.HttpRequestParser(Stopping()).feed_data(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("name", ["capture_signals", "started", "should_exit", "force_exit"])
def test_every_part_of_uvicorns_server_that_we_use_exists(name: str) -> None:
    assert hasattr(uvicorn.Server(uvicorn.Config(print)), name)
    assert "self.servers = " in inspect.getsource(uvicorn.Server.startup)
