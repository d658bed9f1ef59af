"""The query of a request, without secrets."""

from typing import Any

import pytest

from ingest.http.request_head import without_secrets


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"orderid=12345", b"orderid=12345"),
        (b"orderid=", b"orderid="),
        (b"orderid=1&token=abc&access_token=x&sig=1&page=2", b"orderid=1&page=2"),
        (b"a=the+secret&b=fine", b"b=fine"),
        (b"a=the%20secret&b=%C3%A9", b"b=%C3%A9"),
        (b"&&", b""),
    ],
)
def test_a_query_is_kept_without_secrets(query: Any, kept: Any) -> None:
    assert kept == without_secrets(query, (b"the secret",))
