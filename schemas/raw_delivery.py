"""Records of the raw topic: a delivery with its headers parsed, and the mark of an imported one."""

from collections.abc import Iterable, Mapping

import msgspec

from schemas.codegen.bounded_cache import BoundedTextCache
from schemas.envelopes import (
    CONTENT_ENCODING,
    CONTENT_TYPE,
    DELIVERY,
    EVENT,
    IMPORT,
    ORIGINAL,
    QUERY,
    RECEIVED_US,
    REPLAY_OF,
    SHOP,
    SOURCE,
    TRACEPARENT,
    Headers,
    foreign_delivery_id,
)

_LIMIT = 1 << 63


class Imported(msgspec.Struct, frozen=True, gc=False):
    """The mark of a delivery that ``hookline import`` wrote: no platform sent it now.

    ``at`` dates the row where its body gives no time, ``state_at`` the state that it shows, both
    in microseconds. ``history_from``: the shop's history is imported back to then.
    """

    import_id: str
    row: int
    at: int
    state_at: int
    history_from: int | None = None

    @property
    def header(self) -> bytes:
        """The header's value: ``import:row:at:state_at``, and ``:history_from`` where stated."""
        text = f"{self.import_id}:{self.row}:{self.at}:{self.state_at}"
        return (text if self.history_from is None else f"{text}:{self.history_from}").encode()

    @classmethod
    def of(cls, header: bytes) -> "Imported":
        """Read a header. Raises ValueError for one that is none of ours."""
        import_id, *numbers = header.decode().split(":")
        row, at, state_at, *stated = (int(number) for number in numbers)
        if len(stated) > 1 or not all(0 <= number < _LIMIT for number in (row, at, state_at)):
            raise ValueError("no mark of an import")
        return cls(import_id, row, at, state_at, stated[0] if stated else None)


_texts = BoundedTextCache[bytes, str](lambda raw: raw.decode(errors="replace"), 1000)
"""Bytes of a header -> its text: the same few recur."""
_USUAL = (DELIVERY, SOURCE, SHOP, EVENT, RECEIVED_US, CONTENT_TYPE, CONTENT_ENCODING, QUERY)
"""The headers of most raw records, as the ingress orders them."""


class RawDelivery(msgspec.Struct, frozen=True, gc=False):
    """A record of the raw topic, its headers parsed.

    ``body`` holds the bytes as received, encoded as ``content_encoding``. ``received_at`` is in
    microseconds, ``appended_ms`` is the broker's timestamp in milliseconds. All headers of the
    record are kept, unknown ones too; their names apart, since most records share them.
    """

    partition: int
    offset: int
    appended_ms: int
    key: bytes
    body: bytes
    delivery_id: str
    source: str
    shop: str
    event: str
    received_at: int
    content_type: str = ""
    content_encoding: str = "identity"
    query: str = ""
    replay_of: str | None = None
    original: tuple[int, int, int] | None = None
    imported: Imported | None = None
    header_names: tuple[str, ...] = ()
    header_values: tuple[bytes, ...] = ()

    @property
    def headers(self) -> Headers:
        """Return the record's headers, in order."""
        return list(zip(self.header_names, self.header_values, strict=True))

    @property
    def timestamp(self) -> int:
        """Return the append time, under the name that Kafka records give it."""
        return self.appended_ms

    @property
    def entity(self) -> str:
        """Return the entity for ordering and dedupe: the raw key."""
        return self.key.decode(errors="replace")

    @property
    def traceparent(self) -> bytes | None:
        """Return the trace that the delivery belongs to, as its record names it."""
        if self.header_names is _USUAL:
            return None
        return dict(self.headers).get(TRACEPARENT)

    @property
    def version_origin(self) -> tuple[int, int, int]:
        """Return (partition, offset, append ms) for the version; those of the first if a replay."""
        return self.original or (self.partition, self.offset, self.appended_ms)

    @classmethod
    def of(  # noqa: D102 - the constructor from a Kafka record
        cls,
        partition: int,
        offset: int,
        appended_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes]],
    ) -> "RawDelivery":
        pairs = tuple(headers)
        replay_of = original = imported = None
        names: tuple[str, ...] = ()
        values: tuple[bytes, ...]
        if len(pairs) == len(_USUAL):
            # Unpacked and compared: a dict would hash every name, new objects in each record.
            (
                (a, delivery), (b, source), (c, shop), (d, event),
                (e, received), (f, kind), (g, encoding), (h, query),
            ) = pairs  # fmt: skip
            names = a, b, c, d, e, f, g, h
        if names == _USUAL:
            names = _USUAL
            values = delivery, source, shop, event, received, kind, encoding, query
        else:
            # Ours all have values; another producer's may lack one, and no outcome could carry it.
            pairs = tuple([pair for pair in pairs if pair[1] is not None])
            names, values = tuple([name for name, _ in pairs]), tuple([value for _, value in pairs])
            given: Mapping[str, bytes] = dict(pairs)
            delivery, source, shop = given[DELIVERY], given[SOURCE], given[SHOP]
            event, received = given.get(EVENT, b""), given[RECEIVED_US]
            kind = given.get(CONTENT_TYPE, b"")
            encoding, query = given.get(CONTENT_ENCODING, b"identity"), given.get(QUERY, b"")
            replay_of, original = given.get(REPLAY_OF), given.get(ORIGINAL)
            imported = given.get(IMPORT)
        parts = tuple(int(part) for part in original.split(b":")) if original else None
        at = int(received)
        if not 0 <= at < _LIMIT or (parts and not all(0 <= part < _LIMIT for part in parts)):
            raise ValueError("a time or an offset that no delivery has")
        return cls(
            partition,
            offset,
            appended_ms,
            key or b"",
            value or b"",
            delivery.decode(),
            source.decode(),
            shop.decode(),
            _texts[event],
            at,
            _texts[kind],
            _texts[encoding],
            _texts[query],
            replay_of.decode() if replay_of else None,
            (parts[0], parts[1], parts[2]) if parts else None,
            Imported.of(imported) if imported else None,
            names,
            values,
        )

    @classmethod
    def foreign(
        cls,
        partition: int,
        offset: int,
        appended_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]],
    ) -> "RawDelivery":
        """Wrap a record that no ingress appended: nothing of it is parsed, so nothing can fail.

        It belongs to no platform and no shop. Its delivery id comes from its coordinates, so that
        each attempt gives the same outcome. Headers without a value are left out; those under our
        names are kept under ``foreign-``, since here they mean nothing.
        """
        pairs = [
            (f"foreign-{name}" if name.startswith("hookline-") else name, value)
            for name, value in headers
            if value is not None
        ]
        return cls(
            partition,
            offset,
            appended_ms,
            key or b"",
            value or b"",
            foreign_delivery_id(partition, offset),
            "",
            "",
            "",
            appended_ms * 1000,
            header_names=tuple(name for name, _ in pairs),
            header_values=tuple(value for _, value in pairs),
        )

    @property
    def is_foreign(self) -> bool:
        """Whether no ingress appended the record: each of ours names its platform."""
        return not self.source
