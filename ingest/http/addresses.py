"""Whose connection it is: the peer's address, or the one that a trusted proxy forwards."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from runtime.settings import Network

_NETWORK_BITS = 64
"""Of an IPv6 address: a sender has all the addresses of one such network."""
FORWARDED_FOR = b"x-forwarded-for"


class Addresses:
    """Finds the address of a request. ``trusted``: proxies whose X-Forwarded-For is believed."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Any) -> str | None:
        """Return the sender's address, an IPv6 one as its network of 64 bits.

        None where it is not known: of a trusted proxy that forwards no address.
        """
        client = scope.get("client")
        if not client:
            return None
        if not self._trusted:
            return _counted(client[0])
        peer = _parsed(client[0])
        if peer is None or not self._is_trusted(peer):
            return _counted(client[0])
        hops = [
            hop
            for name, value in scope["headers"]
            if name == FORWARDED_FOR
            for hop in value.decode("latin-1").split(",")
        ]
        for hop in reversed(hops):  # each proxy appends the address that it saw
            address = _parsed(_without_port(hop.strip()))
            if address is None:
                return None
            if not self._is_trusted(address):
                return _counted(_without_port(hop.strip()))
        return None

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4096)
def _counted(text: str) -> str | None:
    """The address, or the network, under which its connections are counted."""
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _NETWORK_BITS), strict=False))
    return None if address is None else str(address)


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
