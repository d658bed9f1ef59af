"""Inflating bodies: every member, up to a limit, and what is malformed."""

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bodies.gzip_body import BodyTooLargeError, MalformedGzipError, inflate


@given(st.binary(max_size=2000), st.integers(0, 9))
def test_inflating_undoes_gzip(content: Any, level: Any) -> None:
    assert content == inflate(gzip.compress(content, level), 2000)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_all_members_of_a_gzip_stream_are_inflated(parts: Any) -> None:
    body = b"".join(gzip.compress(part) for part in parts)

    assert b"".join(parts) == inflate(body, 2000)


def test_a_body_that_inflates_beyond_the_limit_is_too_large() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    assert len(bomb) < 60_000
    with pytest.raises(BodyTooLargeError):
        inflate(bomb, 1 << 20)


def test_members_count_together_against_the_limit() -> None:
    member = gzip.compress(b"x" * 600)

    assert len(inflate(member, 1000)) == 600
    with pytest.raises(BodyTooLargeError):
        inflate(member + member, 1000)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_gzip_stream_cut_short_is_malformed(content: Any, data: Any) -> None:
    whole = gzip.compress(content)
    cut = data.draw(st.integers(1, len(whole) - 1))

    with pytest.raises(MalformedGzipError):
        inflate(whole[:cut], 1000)


@pytest.mark.parametrize(
    "body", [b"{}", b"\x1f\x8b", gzip.compress(b"x", mtime=0) + b"!", zlib.compress(b"x")]
)
def test_what_is_no_gzip_stream_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedGzipError):
        inflate(body, 1000)
