"""The listening socket of an ingress."""

import socket

from runtime.settings import Settings

BACKLOG = 2048


def listening(settings: Settings) -> list[socket.socket] | None:
    """Return a socket with SO_REUSEPORT, or None if the server is to open its own.

    The kernel spreads new connections over all processes that listen. Raises OSError if a
    process without SO_REUSEPORT has the port.
    """
    if not settings.share_port:
        return None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    return [socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True)]
