"""The private parts of Faust, mode and aiokafka that we override or call: each by name.

The three are pinned exactly. Whoever raises a pin reads the failures here first.
"""

import importlib.metadata
import inspect
from typing import Any

import aiokafka
import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.record.memory_records import MemoryRecords
from faust import App, streams
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage

from runtime.consumer.batch_consumer import BatchConsumer
from runtime.consumer.thread import ConsumerThread
from runtime.kafka import producer
from runtime.worker import Worker
from schemas.envelopes import Outcome


@pytest.mark.parametrize(
    ("name", "version"),
    [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")],
)
def test_the_versions_whose_private_parts_we_know_are_installed(name: str, version: str) -> None:
    assert importlib.metadata.version(name) == version


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (consumer.Consumer, "perform_seek"),
        (consumer.Consumer, "resume_flow"),
        (consumer.Consumer, "wait_empty"),
        (consumer.Consumer, "commit"),
        (consumer.Consumer, "on_partitions_revoked"),
        (consumer.Consumer, "on_partitions_assigned"),
        (consumer.Consumer, "_drain_messages"),
        (driver.Consumer, "_new_consumer_thread"),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (driver.AIOKafkaConsumerThread, "on_start"),
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
        (GroupCoordinator, "fetch_committed_offsets"),
        (aiokafka.AIOKafkaProducer, "create_batch"),
        (aiokafka.AIOKafkaProducer, "send_batch"),
        (BatchBuilder, "append"),
        (BatchBuilder, "close"),
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


def test_a_message_carries_its_generation_or_the_stream_drops_it() -> None:
    assert "generation_id" in inspect.signature(ConsumerMessage).parameters


def test_an_unanswered_idempotent_batch_is_repeated_for_as_long_as_the_producer_lives() -> None:
    source = inspect.getsource(SendProduceReqHandler._can_retry)
    assert "_txn_manager is None" in source
    assert "expired()" in source
