"""W3C Trace Context: the header ``traceparent``, which names a trace and a span of it."""

import re
from typing import NamedTuple

_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})"
)
_SAMPLED = 1


class TraceContext(NamedTuple):
    """A span of another service: ids as integers; ``is_sampled``: whether it is recorded."""

    trace_id: int
    span_id: int
    is_sampled: bool

    @property
    def header(self) -> bytes:
        """The value of ``traceparent``, in version 00."""
        return b"00-%032x-%016x-%02x" % (self.trace_id, self.span_id, self.is_sampled)


def is_valid(header: bytes) -> bool:
    """Whether a value of ``traceparent`` names a span, in whichever version."""
    return _TRACEPARENT.fullmatch(header) is not None


def parse(header: bytes | None) -> TraceContext | None:
    """Read a value of ``traceparent``; None for none, or one that names no span."""
    found = None if header is None else _TRACEPARENT.fullmatch(header)
    if found is None:
        return None
    trace_id, span_id, flags = (int(group, 16) for group in found.groups())
    return TraceContext(trace_id, span_id, bool(flags & _SAMPLED))
