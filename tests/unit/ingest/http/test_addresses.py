"""Whose connection it is, with and without proxies."""

import pytest

from ingest.http.addresses import Addresses
from runtime.settings import Settings

PROXIES = "10.0.0.0/8, 2001:db8::1"


def address(peer: str | None, *forwarded: str, trusted: str = PROXIES) -> str | None:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    scope = {"client": None if peer is None else (peer, 1), "headers": headers}
    return Addresses(Settings(trusted_proxies=trusted).trusted_networks).of(scope)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # not of a trusted proxy
        ("10.1.1.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.1.1", ["1.2.3.4, 198.51.100.7"], "198.51.100.7"),  # the sender wrote the first
        ("10.1.1.1", ["1.2.3.4", "198.51.100.7"], "198.51.100.7"),
        ("10.1.1.1", ["198.51.100.7, 10.2.2.2"], "198.51.100.7"),
        ("10.1.1.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.1.1.1", ["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        ("10.1.1.1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("2001:db8::1", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8::2", ["198.51.100.7"], "2001:db8::/64"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("::ffff:10.1.1.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.1.1", [], None),
        ("10.1.1.1", ["10.2.2.2"], None),
        ("10.1.1.1", ["198.51.100.7, unknown"], None),
        ("10.1.1.1", ["\xff"], None),
        (None, [], None),
        ("a unix socket", [], None),
    ],
)
def test_the_address_is_the_peers_or_what_a_trusted_proxy_saw(
    peer: str | None, forwarded: list[str], expected: str | None
) -> None:
    assert address(peer, *forwarded) == expected


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert address("10.1.1.1", "198.51.100.7", trusted="") == "10.1.1.1"
