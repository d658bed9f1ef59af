"""The objects of a JSON file: a line each, one document, pages of an API, or one after another."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any

import msgspec

LISTS = ("orders", "customers", "carts", "subscriptions", "data", "results", "Orders")
"""Names under which a platform's API gives a list."""
_SINGLE = frozenset({"order", "customer", "cart", "subscription"})
_AROUND = frozenset(
    """
    links meta _links _meta pagination paging page pages page_info pageInfo info included jsonapi
    current_page last_page next_page prev_page previous_page per_page page_size pageSize limit
    offset from to path url first last next prev previous first_page_url last_page_url
    next_page_url prev_page_url cursor next_cursor prev_cursor cursors has_more hasMore has_next
    total count total_count totalCount total_pages totalPages pages_count object status success
    ok code message error errors
    """.split()  # noqa: SIM905 - a list of sixty lines reads worse
)
"""Names beside the list in a page of an API: where the next one is, how many there are."""
_MOST = 15
"""Names of a page, all of which are known."""
_FEW = 6
"""Names of a page, any of which may be unknown."""
_PAGE = re.compile(
    rb'"(?:orders|customers|carts|subscriptions|data|results|Orders)"\s*:\s*\['
    rb'|^\{\s*"(?:order|customer|cart|subscription)"\s*:\s*\{'
)
"""What is in a page, or how an object under its name begins; other lines are not looked into."""
_OBJECT_OR_NONE = re.compile(rb"\[\s*[{\]]")
_OPENERS = (b"[", b"{", b",", b":")
"""How the first line of an indented document ends; a line that was cut off ends anyhow."""
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
_decode_list: Callable[[Any], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode

NOT_JSON = "not JSON"
NOT_UTF8 = "it is not in UTF-8 (perhaps in Windows-1252): save the file as UTF-8"


def values(stream: IO[bytes]) -> Iterator[tuple[bytes, str]]:
    """Yield each object, and what is wrong with it.

    Lines are read one by one where the first one is a value, or cannot begin a document.
    """
    first = _next_line(stream).removeprefix(b"\xef\xbb\xbf").strip()
    if not first:
        return
    if _is_line(first):
        yield from _lines(chain([first], stream))
        return
    second = _next_line(stream)
    if not first.endswith(_OPENERS) and _is_object(second.strip()):
        yield from _lines(chain([first, second], stream))
        return
    yield from _document(first + b"\n" + second + stream.read())


def _next_line(stream: IO[bytes]) -> bytes:
    """Return the next line that is not empty."""
    line = stream.readline()
    while line and not line.strip(b"\xef\xbb\xbf \t\r\n"):
        line = stream.readline()
    return line


def _is_line(first: bytes) -> bool:
    if first[:1] == b"[":
        return _reads(_decode_list, first)
    # A broken line that ends as an object does is no first line of an indented document.
    return first[:1] != b"{" or _is_object(first) or (len(first) > 1 and first.endswith(b"}"))


def _is_object(line: bytes) -> bool:
    return line[:1] == b"{" and _reads(_decode, line)


def _reads(decode: Callable[[bytes], Any], value: bytes) -> bool:
    try:
        decode(value)
    except _UNREADABLE:
        return False
    return True


def _lines(lines: Iterator[bytes]) -> Iterator[tuple[bytes, str]]:
    """Yield the objects of JSON Lines; a page, or a list, in a line is unpacked."""
    has_page = _PAGE.search
    for line in lines:
        text = line.strip()
        if not text:
            continue
        if not text.isascii() and not _is_utf8(text):
            yield text, NOT_UTF8
        elif text[:1] == b"[" or (text[:5] != b'{"id"' and has_page(text)):
            yield from unpacked(text)
        else:
            yield text, ""


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _document(text: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the objects of what is no line each: a document, or indented ones in sequence."""
    text = text.strip()
    if _is_utf8(text):
        if _reads(msgspec.json.Decoder(msgspec.Raw).decode, text):
            yield from unpacked(text)
            return
        found = _sequence(text.decode())
        if found is not None:
            for each in found:
                yield from unpacked(each)
            return
    lines = [line for line in text.splitlines() if line.strip()]
    if 2 * sum(_is_object(line) for line in lines) >= len(lines) - 1 > 0:
        yield from _lines(iter(lines))  # the first was cut off where an indented one would end
    else:
        yield text, NOT_JSON if _is_utf8(text) else NOT_UTF8


def _sequence(text: str) -> list[bytes] | None:
    """Return the values that follow each other; None where something is none."""
    decode, found, at = json.JSONDecoder().raw_decode, [], 0
    try:
        while at < len(text):
            _, end = decode(text, at)
            found.append(text[at:end].encode())
            at = end
            while at < len(text) and text[at].isspace():
                at += 1
    except (ValueError, RecursionError):
        return None
    return found


def unpacked(value: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the objects of a list, of a page with a list, or the object itself."""
    try:
        if value[:1] == b"[":
            yield from ((bytes(each), "") for each in _decode_list(value))
            return
        found = _decode(value)
    except _UNREADABLE:
        yield value, NOT_JSON
        return
    if (name := _list_of(found)) is not None:
        yield from ((bytes(each), "") for each in _decode_list(found[name]))
        return
    if len(found) == 1 and not _SINGLE.isdisjoint(found):
        inner = bytes(next(iter(found.values())))
        if inner[:1] == b"{":
            value = inner
    yield value, ""


def _list_of(found: dict[str, msgspec.Raw]) -> str | None:
    """Return the name of the list of a page; None for an object of the platform."""
    if len(found) > _MOST or "id" in found or "type" in found:
        return None
    lists = (name for name in LISTS if name in found and bytes(found[name])[:1] == b"[")
    name = next(lists, None)
    if name is None:
        return None
    if found.keys() - {name} <= _AROUND:
        return name
    is_few = len(found) <= _FEW and _OBJECT_OR_NONE.match(bytes(found[name])) is not None
    return name if is_few else None
