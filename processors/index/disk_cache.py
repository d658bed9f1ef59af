"""Partitions' indexes on disk, so that a new owner reads only the outcomes written since.

The outcome logs are the authority, the files only save time. A saved index holds every outcome
that is in the logs below its ``upto`` and that a lookup from ``committed`` on can reach over its
``window_ms``; everything it holds is in the logs; and no outcome of a record from ``committed`` on
is in the logs below ``upto``, so that it need not know any by (raw offset, slot). Once the logs
are read from ``upto`` on, it answers from any offset that is not below ``committed`` as an index
that was read from the logs alone.

A file is refused, and the logs are read, where that cannot be shown: the file is damaged, of
another version, or authenticated with another key; of another cluster or partition; of a shorter
window; of records beyond the first one to process; or a log does not hold, right before ``upto``,
the very outcome that was read or written there (``recovery.py``).
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

from processors.index.partition_index import IndexSnapshot, PartitionIndex
from processors.index.sorted_run import Rows, SortedRun
from runtime import logs
from runtime.process.private_files import create_folder, open_private
from runtime.settings import Settings

log = logs.get("hookline.index")

MAGIC = b"hookline index 1 " + sys.byteorder.encode() + b"\n"
"""The version goes up with every change of the layout or of ``outcome_headers.entity_key``."""
MAC_BYTES = 16
LENGTH_BYTES = 8
COLUMNS = ("u8", "u8", "u8", "i8", "i8")

SHARE, FINAL_SHARE = 8, 100
"""An index is saved when 1/``SHARE`` of it is new; 1/``FINAL_SHARE`` when its owner gives it up."""
MIN_OUTCOMES = 20_000
"""Fewer new outcomes are read from the logs so fast that they are not saved."""


class CacheError(Exception):
    """A file cannot be used; the message says why."""


class _Header(msgspec.Struct):
    """``runs``: rows of each run of each table of the index."""

    cluster: str
    partition: str = msgspec.field(name="place")
    committed: int
    newest: int
    window_ms: int
    upto: dict[str, int]
    last: dict[str, str]
    runs: list[list[int]]


class IndexCache:
    """The indexes that this machine has saved for one cluster and prefix."""

    def __init__(self, settings: Settings, cluster: str) -> None:
        self._folder = Path(settings.state_dir)
        self._prefix = settings.prefix
        self._cluster = cluster
        self._key = hashlib.blake2b(settings.contact_key.encode()).digest()
        self._writing: dict[int, asyncio.Task[None]] = {}

    def offer(
        self, partition: int, index: PartitionIndex, window_ms: int, *, is_final: bool = False
    ) -> None:
        """Save an index in the background if it has grown much since it was last saved.

        Call it between batches. If the disk does not take the file, a warning is logged.
        """
        share = FINAL_SHARE if is_final else SHARE
        least = MIN_OUTCOMES // share if is_final else MIN_OUTCOMES
        if partition in self._writing or index.unsaved < max(least, len(index) // share):
            return
        snapshot = index.snapshot(window_ms)
        if snapshot is not None:
            writing = asyncio.ensure_future(self._save(partition, index, snapshot))
            self._writing[partition] = writing
            writing.add_done_callback(lambda _: self._writing.pop(partition))

    async def flush(self) -> None:
        """Wait until no file is being written."""
        await asyncio.gather(*self._writing.values())

    async def _save(self, partition: int, index: PartitionIndex, snapshot: IndexSnapshot) -> None:
        count = index.unsaved
        try:
            await asyncio.to_thread(self.write, partition, snapshot)
        except OSError as error:
            log.warning("the index is not saved to disk", partition=partition, error=repr(error))
        else:
            index.unsaved -= count

    def write(self, partition: int, snapshot: IndexSnapshot) -> None:
        """Replace the file of a partition. Blocks. Raises OSError."""
        path = self.path(partition)
        create_folder(path.parent)
        temporary = path.with_suffix(".new")  # always the same, so that crashes leave one at most
        mac = self._new_mac()
        with open_private(temporary, "wb") as file:
            file.write(bytes(MAC_BYTES))
            for part in self._parts(partition, snapshot):
                mac.update(part)
                file.write(part)
            file.seek(0)
            file.write(mac.digest())
        temporary.replace(path)  # no fsync: the MAC refuses what a power cut leaves half written

    def read(self, partition: int, due: int, window_ms: int) -> PartitionIndex:
        """Read the file of a partition, to be continued from raw offset ``due`` on. Blocks.

        Raises CacheError, OSError.
        """
        with self.path(partition).open("rb") as file:
            mac = file.read(MAC_BYTES)
            if not hmac.compare_digest(mac, hashlib.file_digest(file, self._new_mac).digest()):
                raise CacheError("it is damaged, or was made with another key")
            file.seek(MAC_BYTES)
            if file.read(len(MAGIC)) != MAGIC:
                raise CacheError("it is of another version")
            length = int.from_bytes(file.read(LENGTH_BYTES), "big")
            header = msgspec.json.decode(file.read(length), type=_Header)
            if (header.cluster, header.partition) != (self._cluster, self._name(partition)):
                raise CacheError(f"it is of {header.partition} in cluster {header.cluster}")
            if header.committed > due:
                raise CacheError(f"it begins at {header.committed}, and {due} is due")
            if header.window_ms < window_ms:
                raise CacheError("its window is shorter than the current one")
            tables = tuple(
                tuple(SortedRun(_read_rows(file, rows)) for rows in table) for table in header.runs
            )
        return PartitionIndex.of(
            IndexSnapshot(
                header.committed, header.newest, header.window_ms, header.upto, header.last, tables
            ),
            due,
        )

    def path(self, partition: int) -> Path:
        """The file of a partition's index."""
        return self._folder / f"index-{self._name(partition)}.cache"

    def _name(self, partition: int) -> str:
        return f"{self._prefix}{partition}"

    def _new_mac(self) -> "hashlib.blake2b":
        return hashlib.blake2b(digest_size=MAC_BYTES, key=self._key)

    def _parts(self, partition: int, snapshot: IndexSnapshot) -> Iterator[bytes | memoryview]:
        header = _Header(
            self._cluster, self._name(partition), snapshot.committed, snapshot.newest,
            snapshot.window_ms, snapshot.upto, snapshot.last,
            [[len(run) for run in table] for table in snapshot.tables],
        )  # fmt: skip
        encoded = msgspec.json.encode(header)
        yield MAGIC
        yield len(encoded).to_bytes(LENGTH_BYTES, "big")
        yield encoded
        for table in snapshot.tables:
            for run in table:
                for column in run.rows().columns:
                    yield column.data


def _read_rows(file: BinaryIO, rows: int) -> Rows:
    return Rows(*(np.fromfile(file, kind, rows) for kind in COLUMNS))
