"""An exported object as a raw record: what the ingress would have written, marked as imported."""

from typing import NamedTuple

import msgspec

from hookline.history.exports.files import Row
from hookline.history.shapes import CHANGES, DATES, UNREADABLE, UnknownShapeError, Webhook, webhook
from ingest import sources
from ingest.ids import new_delivery
from ingest.sources import SOURCES
from processors.sources.readers.times import moment
from schemas import envelopes
from schemas.envelopes import Headers
from schemas.events import Micros
from schemas.raw_delivery import Imported
from schemas.shops import Shop
from schemas.topics import MAX_BODY

_JSON = (envelopes.CONTENT_TYPE, b"application/json")
_IDENTITY = (envelopes.CONTENT_ENCODING, b"identity")
_NO_QUERY = (envelopes.QUERY, b"")
_decode_any = msgspec.json.Decoder().decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

NOT_JSON = "not a JSON object"
NO_EVENT = "nothing shows which event it is: give --event"
UNDATED = "it has no time of its own: name the field that has one with --dated-by"
AHEAD = "its time lies in the future"
TOO_OLD = "its time lies before 1970"
UNDATED_CART = "a cart that gives no time of its own: name the field that has one with --dated-by"
TOO_LARGE = "larger than a webhook may be"


class Prepared(NamedTuple):
    """A row ready to be written, without its delivery id.

    ``is_change``: the row itself gives the time of its object's last change, ``state_at``.
    """

    row: int
    event: str
    key: bytes
    body: bytes
    at: Micros
    state_at: Micros
    is_cart: bool
    is_change: bool


class Refused(NamedTuple):
    """A row that is not written, and why; the reason quotes nothing of it."""

    row: int
    reason: str


class _RefusedError(Exception):
    """The row is not written; the message is the reason."""


class Preparer:
    """Prepares the rows of one shop's export.

    ``event``: the platform's event name, where the objects do not show it. ``dated_by``: a field
    that dates objects, before the usual ones. ``taken_at``: when the platform made the list, which
    dates the state of objects that give no time of their last change, and with ``dates_undated``
    also those that give no time at all, but for carts. ``now``: no row is later.
    """

    def __init__(
        self,
        shop: Shop,
        now: Micros,
        *,
        event: str = "",
        dated_by: str = "",
        taken_at: Micros | None = None,
        dates_undated: bool = False,
    ) -> None:
        self.shop, self._now = shop, now
        self._source = SOURCES[shop.source]
        self._event, self._dated_by, self.taken_at = event, dated_by, taken_at
        self._undated_at = taken_at if dates_undated else None

    def prepare(self, row: Row) -> Prepared | Refused:
        """Return a row as it is to be written, or why it is not."""
        try:
            if row.error:
                raise _RefusedError(row.error)  # noqa: TRY301 - as the reasons below
            found = webhook(self.shop.source, row.raw, self._event)
            if len(found.body) > MAX_BODY:
                raise _RefusedError(TOO_LARGE)  # noqa: TRY301
            event, key = sources.read(self._source, self.shop.id, found.event, found.body)
            if key is None:
                key = sources.hashed_key(self._source, self.shop.id, found.body)
            is_cart = b"/cart:" in key
            at, is_change = self._dated(row, found, is_cart=is_cart)
        except UnknownShapeError:
            return Refused(row.number, NO_EVENT)
        except UNREADABLE:
            return Refused(row.number, NOT_JSON)
        except _RefusedError as error:
            return Refused(row.number, str(error))
        state_at = at if is_change or self.taken_at is None else max(at, self.taken_at)
        return Prepared(row.number, event, key, found.body, at, state_at, is_cart, is_change)

    def _dated(self, row: Row, found: Webhook, *, is_cart: bool) -> tuple[Micros, bool]:
        """Return an object's own time, and whether it is that of its last change.

        Raises _RefusedError.
        """
        at, is_change = self._time(row, found)
        if at is None and not is_cart:
            at = self._undated_at
        if at is None:
            raise _RefusedError(UNDATED_CART if is_cart else UNDATED)
        if at < 0:
            raise _RefusedError(TOO_OLD)
        if at > self._now:
            raise _RefusedError(AHEAD)
        return at, is_change

    def _time(self, row: Row, found: Webhook) -> tuple[Micros | None, bool]:
        if row.dated:
            return self._micros(row.dated), True
        if self._dated_by:
            given = _decode_names(row.raw)
            for part in self._dated_by.split(".")[:-1]:
                given = _decode_names(given.get(part, b"{}"))
            value = given.get(self._dated_by.rpartition(".")[2])
            if value is not None and (at := self._micros(_decode_any(value))) is not None:
                return at, True
        for name in DATES:
            value = getattr(found.fields, name, None)
            if value and (at := self._micros(_decode_any(value))) is not None:
                return at, name in CHANGES
        return None, False

    def _micros(self, value: object) -> Micros | None:
        if type(value) is float:
            value = int(value)
        time = moment({"time": value}, "time", "", self.shop)
        return None if time is None else time.at


class Marker:
    """Makes the headers of an import's raw records, in the ingress's order and then the mark."""

    def __init__(self, shop: Shop, import_id: str) -> None:
        self.import_id = import_id
        self._source = (envelopes.SOURCE, shop.source.encode())
        self._shop = (envelopes.SHOP, shop.id.encode())
        self._events: dict[str, tuple[str, bytes]] = {}

    def headers(self, row: Prepared, history_from: Micros | None = None) -> Headers:
        """Return the headers of a new delivery."""
        event = self._events.get(row.event)
        if event is None:
            event = self._events[row.event] = (envelopes.EVENT, row.event.encode())
        delivery, now = new_delivery()
        mark = b"%s:%d:%d:%d" % (self.import_id.encode(), row.row, row.at, row.state_at)
        if history_from is not None:
            mark = Imported(self.import_id, row.row, row.at, row.state_at, history_from).header
        return [
            (envelopes.DELIVERY, delivery),
            self._source,
            self._shop,
            event,
            (envelopes.RECEIVED_US, b"%d" % now),
            _JSON,
            _IDENTITY,
            _NO_QUERY,
            (envelopes.IMPORT, mark),
        ]
