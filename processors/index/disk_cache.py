"""Partitions' indexes on disk, so that a take-over reads only what was written since.

The log is the authority, this is speed. What holds of an index that is kept: it has every
outcome that stands below its ``upto`` in the outcome logs and that a question from its
``committed`` on can reach over its ``window_ms``; all that it has stands in the logs; and no
outcome of a record from ``committed`` on stands below ``upto``, so that none is missing by (raw
offset, slot). Read on from ``upto``, it answers from any offset that is not below ``committed``
as one that was read from the logs alone.

A file is refused, and the logs are read, where that cannot be shown: it is damaged or of another
version (or of another key: nobody else can make one), of another cluster or partition, of a
shorter window, of records behind those that are due; or a log does not hold, right before
``upto``, the very outcome that was read or written there (``readback.py``).
"""

import asyncio
import hashlib
import hmac
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from processors.index.partition_index import Frozen, PartitionIndex
from processors.index.sorted_run import Rows, Run
from runtime import logs
from runtime.settings import Settings

log = logs.get("hookline.index")

MAGIC = b"hookline index 1 " + sys.byteorder.encode() + b"\n"
"""The version counts layouts, and what ``index.number`` makes of a name."""
SEAL_BYTES = 16
LENGTH_BYTES = 8
COLUMNS = ("u8", "u8", "u8", "i8", "i8")

SHARE, LEAVING_SHARE = 8, 100
"""An index is kept again when this part of it was added; a smaller one before it is left."""
LEAST = 20_000
"""Outcomes that are read back in so short a time that they are not kept."""


class CacheError(Exception):
    """What was kept cannot be used; the message says why."""


class _Head(msgspec.Struct):
    """``runs``: rows of each run of each table of the index."""

    cluster: str
    place: str
    committed: int
    newest: int
    window_ms: int
    upto: dict[str, int]
    last: dict[str, str]
    runs: list[list[int]]


class IndexCache:
    """The indexes that this machine keeps of one cluster and prefix."""

    def __init__(self, settings: Settings, cluster: str) -> None:
        self._folder = Path(settings.state_dir)
        self._prefix = settings.prefix
        self._cluster = cluster
        self._key = hashlib.blake2b(settings.contact_key.encode()).digest()
        self._writing: dict[int, asyncio.Task[None]] = {}

    def offer(
        self, partition: int, index: PartitionIndex, window_ms: int, *, is_left: bool = False
    ) -> None:
        """Keep an index, in the background, if it has grown much since it was kept last.

        To be called between batches. A disk that does not take it is told in the log.
        """
        share = LEAVING_SHARE if is_left else SHARE
        least = LEAST // share if is_left else LEAST
        if partition in self._writing or index.unkept < max(least, len(index) // share):
            return
        frozen = index.frozen(window_ms)
        if frozen is not None:
            writing = asyncio.ensure_future(self._keep(partition, index, frozen))
            self._writing[partition] = writing
            writing.add_done_callback(lambda _: self._writing.pop(partition))

    async def written(self) -> None:
        """Return once nothing is being written any more."""
        await asyncio.gather(*self._writing.values())

    async def _keep(self, partition: int, index: PartitionIndex, frozen: Frozen) -> None:
        count = index.unkept
        try:
            await asyncio.to_thread(self.write, partition, frozen)
        except OSError as error:
            log.warning("the index is not kept", partition=partition, error=repr(error))
        else:
            index.unkept -= count

    def write(self, partition: int, frozen: Frozen) -> None:
        """Replace what is kept of a partition. Blocks. Raises OSError."""
        path = self.path(partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")  # one name, so that a crash leaves but one behind
        seal = self._sealing()
        with fresh.open("wb") as file:
            file.write(bytes(SEAL_BYTES))
            for part in self._parts(partition, frozen):
                seal.update(part)
                file.write(part)
            file.seek(0)
            file.write(seal.digest())
        fresh.replace(path)  # not synced: what a power cut tears is refused

    def read(self, partition: int, due: int, window_ms: int) -> PartitionIndex:
        """What is kept of a partition, to be continued from raw offset ``due`` on. Blocks.

        Raises CacheError, OSError.
        """
        with self.path(partition).open("rb") as file:
            seal = file.read(SEAL_BYTES)
            if not hmac.compare_digest(seal, hashlib.file_digest(file, self._sealing).digest()):
                raise CacheError("it is damaged, or was made with another key")
            file.seek(SEAL_BYTES)
            if file.read(len(MAGIC)) != MAGIC:
                raise CacheError("it is of another version")
            head = self._head(file)
            if (head.cluster, head.place) != (self._cluster, self._place(partition)):
                raise CacheError(f"it is of {head.place} in cluster {head.cluster}")
            if head.committed > due:
                raise CacheError(f"it begins at {head.committed}, and {due} is due")
            if head.window_ms < window_ms:
                raise CacheError("its window is shorter than that of now")
            tables = tuple(tuple(Run(_rows(file, rows)) for rows in table) for table in head.runs)
        return PartitionIndex.of(
            Frozen(head.committed, head.newest, head.window_ms, head.upto, head.last, tables), due
        )

    def path(self, partition: int) -> Path:
        """Where a partition's index is kept."""
        return self._folder / f"index-{self._place(partition)}.cache"

    def _place(self, partition: int) -> str:
        return f"{self._prefix}{partition}"

    def _sealing(self) -> "hashlib.blake2b":
        return hashlib.blake2b(digest_size=SEAL_BYTES, key=self._key)

    def _parts(self, partition: int, frozen: Frozen) -> Iterator[bytes | memoryview]:
        head = _Head(
            self._cluster, self._place(partition), frozen.committed, frozen.newest,
            frozen.window_ms, frozen.upto, frozen.last,
            [[len(run) for run in table] for table in frozen.tables],
        )  # fmt: skip
        said = msgspec.json.encode(head)
        yield MAGIC
        yield len(said).to_bytes(LENGTH_BYTES, "big")
        yield said
        for table in frozen.tables:
            for run in table:
                for column in run.rows().columns:
                    yield column.data

    @staticmethod
    def _head(file: BinaryIO) -> _Head:
        length = int.from_bytes(file.read(LENGTH_BYTES), "big")
        return msgspec.json.decode(file.read(length), type=_Head)


def _rows(file: BinaryIO, rows: int) -> Rows:
    return Rows(*(np.fromfile(file, kind, rows) for kind in COLUMNS))
