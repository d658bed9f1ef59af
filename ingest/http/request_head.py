"""A request's head: its route, and what it declares about the body."""

import re
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

import msgspec

from ingest.http import responses
from ingest.http.bounded_protocol import MAX_HEAD
from ingest.http.responses import RefusedError
from ingest.sources import SOURCES, Source

Scope = Any
Pairs = list[tuple[bytes, bytes]]

_PREFIX = b"/hooks/"
_SECRET_PARAMETER = re.compile(
    r"secret|token|password|passwd|signature|hmac|api_?key|access_?key|auth|^key$|^sig$",
    re.IGNORECASE,
)


class Head(msgspec.Struct, frozen=True, gc=False):
    """The head of a webhook request. ``headers``: lower-case name -> last value."""

    source: Source
    shop: str
    token: bytes | None
    event: str
    encoding: str
    headers: dict[bytes, bytes]
    pairs: Pairs
    query: bytes

    def only(self, names: tuple[bytes, ...]) -> bytes | None:
        """Return the value of the one header that has one of these names; None if more have."""
        value = None
        for name in names:
            if name in self.headers:
                if value is not None:
                    return None
                value = self.headers[name]
        if len(self.headers) != len(self.pairs):  # some header is repeated
            return value if sum(_count(self.pairs, name) for name in names) == 1 else None
        return value


def read_head(scope: Scope, max_body: int) -> Head:
    """Check and return the head of a request for ``/hooks/``. Raises RefusedError."""
    pairs: Pairs = scope["headers"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    if len(path) + len(query) + sum(map(len, chain.from_iterable(pairs))) > MAX_HEAD:
        raise RefusedError(responses.HEAD_TOO_LARGE)
    source, shop, token, event = _route(path)
    if scope["method"] != "POST":
        raise RefusedError(responses.NOT_POST)
    headers = dict(pairs)
    encoding = "identity"
    if b"content-encoding" in headers:
        encoding = headers[b"content-encoding"].strip().lower().decode("latin-1") or encoding
        if encoding not in ("identity", "gzip") or _count(pairs, b"content-encoding") > 1:
            raise RefusedError(responses.UNSUPPORTED_ENCODING)
    if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise RefusedError(responses.UNSUPPORTED_TRANSFER)
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > max_body:
        raise RefusedError(responses.TOO_LARGE)
    for name in source.event_headers:
        if name in headers:
            event = headers[name].decode("latin-1").strip()
            break
    return Head(source, shop, token, event, encoding, headers, pairs, query)


def _route(path: bytes) -> tuple[Source, str, bytes | None, str]:
    """Source, shop, token and event of a path. Raises RefusedError (404) for any other."""
    parts = path.removeprefix(_PREFIX).removesuffix(b"/").split(b"/")
    if b"%" in path:
        parts = [unquote_to_bytes(part) for part in parts]
    source = SOURCES.get(parts[0].decode("latin-1"))
    rest = parts[1:]
    if source is None or not rest or not path.startswith(_PREFIX):
        raise RefusedError(responses.UNKNOWN_ROUTE)
    event = ""
    if source.events_in_url and len(rest) > 1:
        event = rest.pop().decode("latin-1")
    if len(rest) > 2:  # noqa: PLR2004 - shop and token
        raise RefusedError(responses.UNKNOWN_ROUTE)
    return source, rest[0].decode("latin-1"), rest[1] if len(rest) > 1 else None, event


def _count(pairs: Pairs, name: bytes) -> int:
    return sum(1 for header, _ in pairs if header == name)


def without_secrets(query: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """Return the query without parameters whose name or value is secret."""
    kept = [
        (name, value)
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if not _SECRET_PARAMETER.search(name) and value.encode() not in secrets
    ]
    return urlencode(kept).encode()
