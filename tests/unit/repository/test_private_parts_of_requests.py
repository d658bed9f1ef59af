"""Private parts of aiokafka and Faust that bound requests and read any batch: each by name."""

import inspect
import re
from typing import Any

import pytest
from aiokafka import conn
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import CloseReason
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.record.default_records import _DefaultRecordBatchPy
from faust import App
from faust.app.base import BootStrategy
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from runtime.kafka.client.closed_connections import Connection
from runtime.kafka.client.record_batches import TolerantRecords
from runtime.worker import Worker

(AIOKafkaConnection,) = Connection.__bases__
"""aiokafka's own: the name means ours, once our clients are imported."""


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (GroupCoordinator, "_send_req"),
        (AIOKafkaClient, "_get_conn"),
        (AIOKafkaClient, "_metadata_update"),
        (AIOKafkaClient, "_on_connection_closed"),
        (AIOKafkaConnection, "_send_sasl_token"),
        (_DefaultRecordBatchPy, "_maybe_uncompress"),
        (App, "_create_directories"),
    ],
)
def test_every_part_that_we_call_or_override_exists(owner: type, name: str) -> None:
    assert callable(getattr(owner, name))


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (AIOKafkaClient.__init__, "_request_timeout_ms"),
        (AIOKafkaClient.__init__, "_get_conn_lock_value"),
        (AIOKafkaClient.__init__, "_conns"),
        (AIOKafkaConnection.__init__, "_request_timeout"),
        (group_coordinator.BaseCoordinator.__init__, "_client"),
        (_DefaultRecordBatchPy.__init__, "_num_records"),
        (_DefaultRecordBatchPy.__init__, "_buffer"),
        (_DefaultRecordBatchPy.__init__, "_pos"),
    ],
)
def test_every_attribute_that_we_read_or_set_is_one(owner: Any, name: str) -> None:
    assert re.search(rf"self\.{name}(:.*)? = ", inspect.getsource(owner))


def test_a_request_takes_its_bound_from_its_connection_when_it_is_sent() -> None:
    """So that a join may have another bound than the heartbeats on the same connection."""
    assert "wait_for(fut, self._request_timeout)" in inspect.getsource(AIOKafkaConnection.send)


def test_the_coordinator_sends_every_request_of_a_group_in_one_way() -> None:
    module = inspect.getsource(group_coordinator)
    assert module.count("group=ConnectionGroup.COORDINATION") == 2  # to send, and to look it up
    assert CloseReason.CONNECTION_TIMEOUT is not None


def test_fetched_bytes_become_batches_by_the_name_that_we_replace() -> None:
    assert "MemoryRecords(" in inspect.getsource(fetcher.Fetcher)
    assert fetcher.MemoryRecords is TolerantRecords


def test_a_client_connects_through_the_parts_that_avoid_silent_brokers() -> None:
    connects = inspect.getsource(AIOKafkaClient._get_conn)
    assert "async with self._get_conn_lock:" in connects
    assert "on_close=self._on_connection_closed" in connects
    assert "self._get_conn(node_id)" in inspect.getsource(AIOKafkaClient._metadata_update)
    assert "self.get_random_node()" in inspect.getsource(AIOKafkaClient.coordinator_lookup)
    assert "self._metadata_update(" in inspect.getsource(AIOKafkaClient._md_synchronizer)


def test_a_client_connects_by_the_class_that_we_replace() -> None:
    assert "conn = AIOKafkaConnection(" in inspect.getsource(conn.create_conn)
    assert conn.AIOKafkaConnection is Connection


def test_a_batch_expires_by_the_time_that_its_queue_gives_it() -> None:
    """Ours is endless: it is read when a batch is made, and only for one without a leader."""
    making = inspect.getsource(MessageAccumulator)
    assert "MessageBatch(tp, builder, self._batch_ttl, self._linger_time)" in making
    assert making.count(".expired()") == 1
    assert "self._ttl" in inspect.getsource(MessageBatch.expired)


def test_faust_starts_no_producer_where_its_boot_strategy_says_so() -> None:
    assert "self.enable_kafka_producer" in inspect.getsource(
        BootStrategy._should_enable_kafka_producer
    )
    assert Worker.BootStrategy.enable_kafka_producer is False


def test_a_consumer_of_faust_is_made_anew_each_time_it_is_started() -> None:
    starting = inspect.getsource(AIOKafkaConsumerThread.on_start)
    assert "self._consumer = self._create_consumer(" in starting
