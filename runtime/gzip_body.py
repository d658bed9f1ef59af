"""Gzip bodies, inflated within a bound."""

import zlib

_GZIP = zlib.MAX_WBITS | 16

MAX_MEMBERS = 100
"""Members of one gzip stream: each costs a copy of what is behind it."""


class BodyTooLargeError(Exception):
    """More bytes than a body may have."""


class MalformedGzipError(ValueError):
    """Not a whole gzip stream. Content: it is stored and becomes a dead letter."""


def inflate(body: bytes, limit: int) -> bytes:
    """A gzip body's content, all its members, in at most ``limit`` bytes.

    Raises BodyTooLargeError beyond that, MalformedGzipError where it is no whole gzip stream.
    """
    out: list[bytes] = []
    room = limit + 1
    rest = body
    while rest:
        if len(out) == MAX_MEMBERS:
            raise MalformedGzipError(f"more than {MAX_MEMBERS} gzip members")
        stream = zlib.decompressobj(_GZIP)
        try:
            out.append(stream.decompress(rest, room))
        except zlib.error as error:
            raise MalformedGzipError(str(error)) from error
        room -= len(out[-1])
        if room <= 0:
            raise BodyTooLargeError
        if not stream.eof:
            raise MalformedGzipError("the gzip stream ends before its end")
        rest = stream.unused_data
    return out[0] if len(out) == 1 else b"".join(out)
