"""The raw record of a delivery: the body as received, and headers about it."""

from ingest import sources
from ingest.http import responses
from ingest.http.request_head import Head, without_secrets
from ingest.http.responses import RefusedError
from ingest.ids import new_delivery
from ingest.publisher import Record
from runtime.bodies.gzip_body import BodyTooLargeError, MalformedGzipError, inflate
from schemas import envelopes, trace_context
from schemas.envelopes import Headers

_IDENTITY = (envelopes.CONTENT_ENCODING, b"identity")
_NO_QUERY = (envelopes.QUERY, b"")


def build_record(
    topic: str,
    max_body: int,
    head: Head,
    secrets: tuple[bytes, ...],
    received: bytes,
    trace: bytes | None = None,
) -> tuple[bytes, Record]:
    """Return the delivery's id and its raw record, whose value is the body as received.

    ``trace``: the ``traceparent`` to pass on in place of the sender's. Raises RefusedError for a
    compressed body that has more than ``max_body`` bytes.
    """
    content: bytes | None = received
    encoding = _IDENTITY
    if head.encoding == "gzip":
        encoding = (envelopes.CONTENT_ENCODING, b"gzip")
        try:
            content = inflate(received, max_body)
        except MalformedGzipError:
            content = None
        except BodyTooLargeError:
            raise RefusedError(responses.TOO_LARGE) from None
    source, query = head.source, _NO_QUERY
    if head.query:
        query = (envelopes.QUERY, without_secrets(head.query, secrets))
    event, key = sources.read(source, head.shop, head.event, content)
    delivery, now = new_delivery()
    given = head.headers
    headers: Headers = [
        (envelopes.DELIVERY, delivery),
        (envelopes.SOURCE, source.name.encode()),
        (envelopes.SHOP, head.shop.encode()),
        (envelopes.EVENT, event.encode()),
        (envelopes.RECEIVED_US, b"%d" % now),
        (envelopes.CONTENT_TYPE, given.get(b"content-type", b"")),
        encoding,
        query,
    ]
    for name in source.shop_headers:
        if name in given:
            if not _names_shop(given[name], head.shop):
                headers.append((envelopes.SHOP_HEADER, given[name]))
            break
    trace = trace or given.get(b"traceparent")
    if trace is not None and trace_context.is_valid(trace):
        headers.append((envelopes.TRACEPARENT, trace))
    if key is None:
        key = sources.hashed_key(source, head.shop, received)
    return delivery, Record(topic, key, received, headers)


def _names_shop(value: bytes, shop: str) -> bool:
    """Whether a shop header is the shop's id, or a domain whose first label is that id."""
    text = value.decode("latin-1")
    return shop in (text, text.partition(".")[0])
