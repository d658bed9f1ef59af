"""``traceparent`` is read as W3C Trace Context defines it, and anything else names nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import trace_context
from schemas.trace_context import TraceContext

CONTEXTS = st.builds(
    TraceContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans()
)


@given(CONTEXTS)
def test_what_is_written_is_read_back(context: TraceContext) -> None:
    assert trace_context.is_valid(context.header)
    assert trace_context.parse(context.header) == context


@given(st.binary(max_size=60) | st.none())
def test_bytes_that_are_no_traceparent_name_nothing(header: bytes | None) -> None:
    if header is None or not trace_context.is_valid(header):
        assert trace_context.parse(header) is None


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", False),
        (b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", True),
        (b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
        (b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
    ],
)
def test_the_examples_of_the_standard(header: bytes, is_sampled: bool | None) -> None:
    found = trace_context.parse(header)
    assert (None if found is None else found.is_sampled) is is_sampled
