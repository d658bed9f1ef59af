"""Where an ingress listens."""

import socket

from runtime.settings import Settings

BACKLOG = 2048


def listening(settings: Settings) -> list[socket.socket] | None:
    """A socket that others may share (SO_REUSEPORT); None where the server makes its own.

    The kernel spreads new connections over all that listen. Raises OSError where somebody who
    shares nothing has the port.
    """
    if not settings.share_port:
        return None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = (settings.host, settings.port)
    return [socket.create_server(place, family=family, backlog=BACKLOG, reuse_port=True)]
