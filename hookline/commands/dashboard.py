"""``hookline dashboard``: pages over the tables, in a browser."""

import ipaddress
from typing import Annotated

import typer

from hookline.commands.options import DataOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack

DEFAULT_PORT = 8900


def dashboard(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0: a free one.")
    ] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="Address of this machine to listen on, 127.0.0.1 or ::1.")
    ] = "127.0.0.1",
    data: DataOption = None,
) -> None:
    """Serve pages over the tables: now, shops, carts, customers. `hookline up` starts it too.

    Reads with HOOKLINE_READER_URL, or as the reader of `hookline up`, and with no other URL: no
    page writes, and none shows contact data. Every view has an address, and the same figures as
    JSON at the address with .json. There is no login, so that it listens on this machine only;
    reach it from elsewhere through SSH: ssh -L 8900:127.0.0.1:8900 HOST.

    Examples:
      hookline dashboard
      hookline dashboard --port 9000 --data /srv/hookline
      HOOKLINE_READER_URL=postgresql://hookline_reader@db/hookline hookline dashboard
      curl -s http://127.0.0.1:8900/carts.json?days=7 | jq .funnel
    """
    from hookline.dashboard.server import serve

    if not _is_loopback(host):
        raise CommandError(
            f"--host {host}: the dashboard has no login and listens on this machine only: write"
            " 127.0.0.1, and reach it through SSH or a proxy that asks for a login"
        )
    stack = find_stack(data)
    try:
        serve(stack, host, port, ready=lambda url: output.print_line(f"dashboard  {url}"))
    except OSError as error:
        raise CommandError(
            f"--port {port}: {error}; choose another, or 0 for a free one"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
