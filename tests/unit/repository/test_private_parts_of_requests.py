"""Private parts of aiokafka and Faust that bound requests and read any batch: each by name."""

import inspect
import re
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.default_records import _DefaultRecordBatchPy
from faust import App

from runtime.kafka.record_batches import TolerantRecords


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (GroupCoordinator, "_send_req"),
        (AIOKafkaClient, "_get_conn"),
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
