"""murmur2 and the partition of a key agree with aiokafka's default partitioner."""

from typing import Any

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from ingest.partitioner import murmur2, partition_of


@given(st.binary(max_size=600))
def test_the_fast_hash_is_the_default_partitioners(key: Any) -> None:
    assert reference(key) == murmur2(key)


@given(st.binary(min_size=1, max_size=120), st.integers(1, 64))
def test_the_partition_is_the_default_partitioners(key: Any, count: Any) -> None:
    partitions = list(range(count))

    assert DefaultPartitioner()(key, partitions, partitions) == partition_of(key, count)
