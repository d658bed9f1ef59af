"""Crash marks: the commit's metadata records which chunk is being built.

A record can kill its worker (a crash in C, memory, an endless loop), and then every worker that
takes the partition over. A mark around each batch would identify it, but costs two commits a
batch. So only after a previous owner exited uncleanly are batches marked, in chunks:

- the owner exited uncleanly: its successor marks chunks of ``CHUNK_RECORDS`` records, as far as
  the old owner can have read;
- an owner crashed with a chunk marked: the records of that chunk are built one by one;
- a record was marked in ``STRIKES`` crashes: it is condemned, and no worker builds it again.

A chunk is marked only while it is built. Nothing is sent or waited for meanwhile, so a fault of a
broker or a database never blames a record. Two of three strikes must fall on the record alone, so
crashes at random times blame none either.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

STRIKES = 3
"""Crashes under a mark that condemn a record."""
CHUNK_RECORDS = 250
"""Records of a marked chunk."""
REACH = 100_000
"""Records that an owner may have read beyond its last commit."""


class Suspect(msgspec.Struct, frozen=True):
    """Offsets [first, end) that were marked in each of ``deaths`` crashes."""

    first: int
    end: int
    deaths: int

    @property
    def is_condemned(self) -> bool:
        """Whether it is a single record with enough strikes."""
        return self.end - self.first == 1 and self.deaths >= STRIKES


class CommitMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """The metadata of a partition's commit; the default is a partition released cleanly.

    ``is_open``: an owner is working on it. Records below ``cautious_until`` are built in marked
    chunks; ``mark`` holds the offsets [first, end) of the chunk being built. Field names are part
    of the stored format.
    """

    is_open: bool = False
    cautious_until: int = 0
    suspect: Suspect | None = None
    mark: tuple[int, int] | None = None


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive records of a batch that are built at once; ``end`` is exclusive."""

    records: Sequence[Any]
    end: int
    is_marked: bool = False
    is_condemned: bool = False

    @property
    def first(self) -> int:
        """The offset of the first record."""
        return int(self.records[0].offset)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(CommitMetadata)


def encode(metadata: CommitMetadata) -> str:
    """Encode a commit's metadata as JSON."""
    return _encoder.encode(metadata).decode()


def decode(text: str) -> CommitMetadata:
    """Decode a commit's metadata; the default where it is not ours."""
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError:
        return CommitMetadata()


def reopened(previous: CommitMetadata, next_offset: int, log_end: int) -> CommitMetadata:
    """Return the metadata of the next owner, who starts at ``next_offset``."""
    suspect, until = previous.suspect, previous.cautious_until
    if previous.is_open:
        until = max(until, min(log_end, next_offset + REACH))
        if previous.mark is not None:
            suspect = _blamed(suspect, *previous.mark)
    return passed(CommitMetadata(is_open=True, cautious_until=until, suspect=suspect), next_offset)


def _blamed(suspect: Suspect | None, first: int, end: int) -> Suspect:
    if suspect is None or suspect.end <= first or end <= suspect.first:
        return Suspect(first, end, 1)
    return Suspect(max(suspect.first, first), min(suspect.end, end), suspect.deaths + 1)


def chunks(metadata: CommitMetadata, records: Sequence[Any], end: int) -> Iterator[Chunk]:
    """Split a batch that ends at ``end`` (exclusive); one chunk where there is no suspicion.

    None where there are no records.
    """
    if not records:
        return
    if metadata.suspect is None and not metadata.cautious_until:
        yield Chunk(records, end)
        return
    start = 0
    while start < len(records):
        stop, is_marked, is_condemned = _cut(metadata, records, start)
        chunk_end = end if stop == len(records) else records[stop].offset
        yield Chunk(records[start:stop], chunk_end, is_marked, is_condemned)
        start = stop


def _cut(metadata: CommitMetadata, records: Sequence[Any], start: int) -> tuple[int, bool, bool]:
    """Return the index at which a chunk stops, whether it is marked and whether condemned."""
    offset, suspect, until = records[start].offset, metadata.suspect, metadata.cautious_until
    if suspect is not None and suspect.first <= offset < suspect.end:
        return start + 1, not suspect.is_condemned, suspect.is_condemned
    is_marked = offset < until
    stop = min(start + CHUNK_RECORDS, len(records)) if is_marked else len(records)
    borders = [until] if is_marked else []
    if suspect is not None and offset < suspect.first:
        borders.append(suspect.first)
    for border in borders:
        while stop > start + 1 and records[stop - 1].offset >= border:
            stop -= 1
    return stop, is_marked, False


def passed(metadata: CommitMetadata, offset: int) -> CommitMetadata:
    """Drop suspicions about records below ``offset``, which are acknowledged."""
    suspect = metadata.suspect
    if suspect is not None and suspect.end <= offset:
        suspect = None
    until = metadata.cautious_until if metadata.cautious_until > offset else 0
    if suspect is metadata.suspect and until == metadata.cautious_until:
        return metadata
    return CommitMetadata(is_open=True, cautious_until=until, suspect=suspect)
