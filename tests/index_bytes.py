"""The memory that a dedupe index takes."""

from processors.index.partition_index import PartitionIndex
from processors.index.run_set import RunSet


def run_bytes(table: RunSet) -> int:
    """Bytes of all columns and filters of a table's sorted runs."""
    return sum(
        column.nbytes
        for run in table._runs
        for column in (
            *(run._high, run._low, run._key, run._row, run._offset, run._time),
            *(run._digest_filter.bits, run._key_filter.bits),
        )
    )


def index_bytes(index: PartitionIndex) -> int:
    """Bytes of the index's entries in sorted runs."""
    return sum(map(run_bytes, index._tables))
