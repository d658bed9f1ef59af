"""Gzip bodies, decompressed up to a limit."""

import zlib

_GZIP = zlib.MAX_WBITS | 16

MAX_MEMBERS = 100
"""Members of one gzip stream; decompressing one copies all bytes after it."""


class BodyTooLargeError(Exception):
    """The body exceeds its size limit."""


class MalformedGzipError(ValueError):
    """Not a complete gzip stream: an error of content, so the delivery becomes a dead letter."""


def inflate(body: bytes, limit: int) -> bytes:
    """Decompress a gzip body, all its members, into at most ``limit`` bytes.

    Raises BodyTooLargeError beyond that, MalformedGzipError for an incomplete or invalid stream.
    """
    out: list[bytes] = []
    remaining = limit + 1
    compressed = body
    while compressed:
        if len(out) == MAX_MEMBERS:
            raise MalformedGzipError(f"more than {MAX_MEMBERS} gzip members")
        stream = zlib.decompressobj(_GZIP)
        try:
            out.append(stream.decompress(compressed, remaining))
        except zlib.error as error:
            raise MalformedGzipError(str(error)) from error
        remaining -= len(out[-1])
        if remaining <= 0:
            raise BodyTooLargeError
        if not stream.eof:
            raise MalformedGzipError("the gzip stream ends before its end")
        compressed = stream.unused_data
    return out[0] if len(out) == 1 else b"".join(out)
