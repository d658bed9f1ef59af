"""What a partition's commit says of its owner, so that its successor knows how it ended.

A record can kill its worker (a crash in C, memory, an endless loop), and every successor after
it. A mark around each batch would tell which one did it, but costs two commits: 3 to 10% of
the throughput. So only an owner that follows one who died without saying goodbye marks what it
is about to build, in pieces small enough to be taken apart soon:

- the owner died: its successor marks pieces of ``PIECE`` records as far as the dead one can
  have been;
- an owner died while a mark stood: those records go one by one;
- a record was marked in ``STRIKES`` deaths: it is condemned, and nobody builds it again.

A mark names what is being built and nothing else is going on meanwhile: neither sending nor
waiting, so that neither a broker nor a database can blame a record. Two strikes of three must
fall on the record alone, so that kills at random times blame none either.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

STRIKES = 3
"""Deaths under a mark that condemn a record."""
PIECE = 250
"""Records of a piece where a dead owner may have been."""
REACH = 100_000
"""Records that an owner may be ahead of its last commit."""


class Suspect(msgspec.Struct, frozen=True):
    """Offsets, ``end`` excluded, that were marked whenever an owner died, ``deaths`` times."""

    first: int
    end: int
    deaths: int

    @property
    def is_condemned(self) -> bool:
        """One record, and it killed often enough."""
        return self.end - self.first == 1 and self.deaths >= STRIKES


class Custody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The metadata of a partition's commit. The default is a partition that was let go."""

    is_open: bool = False
    cautious_until: int = 0
    suspect: Suspect | None = None
    mark: tuple[int, int] | None = None


class Piece(msgspec.Struct, frozen=True):
    """Consecutive records of a batch that are settled together; ``end`` is excluded."""

    records: Sequence[Any]
    end: int
    is_marked: bool = False
    is_condemned: bool = False

    @property
    def first(self) -> int:
        """The offset of the first record."""
        return int(self.records[0].offset)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Custody)


def encode(custody: Custody) -> str:
    """The commit's metadata."""
    return _encoder.encode(custody).decode()


def decode(metadata: str) -> Custody:
    """What a commit's metadata says; somebody else's words say that nothing is known."""
    try:
        return _decoder.decode(metadata)
    except msgspec.MsgspecError:
        return Custody()


def reopened(left: Custody, due: int, log_end: int) -> Custody:
    """What the next owner goes by, who starts at ``due``."""
    suspect, until = left.suspect, left.cautious_until
    if left.is_open:
        until = max(until, min(log_end, due + REACH))
        if left.mark is not None:
            suspect = _blamed(suspect, *left.mark)
    return passed(Custody(is_open=True, cautious_until=until, suspect=suspect), due)


def _blamed(suspect: Suspect | None, first: int, end: int) -> Suspect:
    if suspect is None or suspect.end <= first or end <= suspect.first:
        return Suspect(first, end, 1)
    return Suspect(max(suspect.first, first), min(suspect.end, end), suspect.deaths + 1)


def pieces(custody: Custody, records: Sequence[Any], end: int) -> Iterator[Piece]:
    """A batch in the pieces that its partition's past asks for; one piece where it is clean."""
    if custody.suspect is None and not custody.cautious_until:
        yield Piece(records, end)
        return
    start = 0
    while start < len(records):
        stop, is_marked, is_condemned = _cut(custody, records, start)
        piece_end = end if stop == len(records) else records[stop].offset
        yield Piece(records[start:stop], piece_end, is_marked, is_condemned)
        start = stop


def _cut(custody: Custody, records: Sequence[Any], start: int) -> tuple[int, bool, bool]:
    offset, suspect, until = records[start].offset, custody.suspect, custody.cautious_until
    if suspect is not None and suspect.first <= offset < suspect.end:
        return start + 1, not suspect.is_condemned, suspect.is_condemned
    is_marked = offset < until
    stop = min(start + PIECE, len(records)) if is_marked else len(records)
    borders = [until] if is_marked else []
    if suspect is not None and offset < suspect.first:
        borders.append(suspect.first)
    for border in borders:
        while stop > start + 1 and records[stop - 1].offset >= border:
            stop -= 1
    return stop, is_marked, False


def passed(custody: Custody, offset: int) -> Custody:
    """The same once everything below ``offset`` is safe."""
    suspect = custody.suspect
    if suspect is not None and suspect.end <= offset:
        suspect = None
    until = custody.cautious_until if custody.cautious_until > offset else 0
    if suspect is custody.suspect and until == custody.cautious_until:
        return custody
    return Custody(is_open=True, cautious_until=until, suspect=suspect)
