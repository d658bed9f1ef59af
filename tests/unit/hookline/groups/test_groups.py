"""A member's partitions are read as Kafka gives them; a lag is what is not committed."""

import asyncio
from typing import Any

from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from hookline.groups.groups import member, topic_lag
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record

TPS = [TopicPartition("hookline.webhooks", number) for number in range(3)]


def test_a_members_partitions_are_sorted_and_empty_while_they_move() -> None:
    assigned = ConsumerProtocolMemberAssignment(0, [("b", [3, 1]), ("a", [2]), ("c", [])], b"")
    read = member(("m-1", "hookline-sinks", "/10.0.0.7", b"", assigned.encode()))
    assert (read.client, read.host) == ("hookline-sinks", "10.0.0.7")
    assert (read.partitions, read.owned) == ({"a": (2,), "b": (1, 3)}, 3)
    assert member(("m-2", "c", "/h", b"", b"")).partitions == {}


def test_the_lag_is_what_is_not_committed_and_its_age_that_of_the_oldest() -> None:
    """Each log has a record a second."""
    one = Batch((Record(b"k", b"v"),))
    consumer: Any = FakeConsumer({TPS[0]: [one] * 5, TPS[1]: [one] * 4})
    done = {TPS[0]: 3, TPS[2]: 0}
    owned = {(TPS[0].topic, 0), (TPS[2].topic, 2)}
    lag = asyncio.run(topic_lag(consumer, TPS, done, owned, lambda: NOW_MS / 1000 + 10))
    assert (lag.records, lag.seconds, lag.unowned) == (6, 10.0, (1,))
    done = {TPS[0]: 3, TPS[1]: 4}
    lag = asyncio.run(topic_lag(consumer, TPS, done, owned, lambda: NOW_MS / 1000 + 10))
    assert (lag.records, lag.seconds) == (2, 7.0)
    nothing = asyncio.run(topic_lag(consumer, TPS[2:], {}, owned, lambda: 0.0))
    assert (nothing.records, nothing.seconds) == (0, None)
