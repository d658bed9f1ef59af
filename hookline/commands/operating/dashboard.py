"""``hookline dashboard``: pages over the tables, in a browser."""

import ipaddress
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.options import DataOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import data_folder, find_stack

if TYPE_CHECKING:
    from runtime.settings import Settings

DEFAULT_PORT = 8900
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


_NO_LOGIN = (
    "the dashboard has no login and listens on this machine only: set"
    " HOOKLINE_DASHBOARD_PASSWORD_HASH to what `hookline dashboard --hash-password` prints, or"
    " reach 127.0.0.1 through SSH"
)


def dashboard(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0: a free one.")
    ] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine only with a login.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A name under which it is asked for from elsewhere; reading needs a login then.",
        ),
    ] = None,
    hash_password: Annotated[
        bool, typer.Option("--hash-password", help="Ask for a password, print its hash, end.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Serve pages over the tables: now, dead letters, shops, carts. `hookline up` starts it too.

    Reads with HOOKLINE_READER_URL, or as the reader of `hookline up`; no page shows contact data.
    Every view has an address, and the same figures as JSON at the address with .json. Dead letters
    are replayed and discarded by who logged in: set HOOKLINE_DASHBOARD_PASSWORD_HASH to what
    --hash-password prints, or HOOKLINE_DASHBOARD_PROXY_USER_HEADER. Without a login nothing is
    written, and it listens on this machine only: reach it through ssh -L 8900:127.0.0.1:8900 HOST.

    Examples:
      hookline dashboard
      hookline dashboard --port 9000 --data /srv/hookline
      hookline dashboard --hash-password
      export HOOKLINE_DASHBOARD_PASSWORD_HASH=$(hookline dashboard --hash-password); hookline up
      hookline dashboard --host 0.0.0.0 --allow-host desk.example.com
      HOOKLINE_READER_URL=postgresql://hookline_reader@db/hookline hookline dashboard
      curl -s http://127.0.0.1:8900/carts.json?days=7 | jq .funnel
    """
    if hash_password:
        _print_hash()
        return
    from hookline.dashboard.login.audit import FILE, Audit
    from hookline.dashboard.login.door import Door
    from hookline.dashboard.server import Listening, serve

    names = allow_host or []
    for name in names:
        if not _HOST.fullmatch(name):
            raise CommandError(f"--allow-host {name}: write a name alone, like desk.example.com")
    is_reached = bool(names) or not _is_loopback(host)
    stack = find_stack(data)
    door = Door(_with_own_login(stack.settings), reading_needs_login=is_reached)
    if is_reached and not door.is_configured:
        raise CommandError(_NO_LOGIN)
    audit = Audit(_audit_folder(data) / FILE)
    try:
        serve(
            stack,
            Listening(host, port, [*names, *_own_name(host)], door, audit),
            ready=lambda url: output.print_line(f"dashboard  {url}"),
        )
    except OSError as error:
        raise CommandError(
            f"--port {port}: {error}; choose another, or 0 for a free one"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_own_login(settings: "Settings") -> "Settings":
    """Return the settings with the login of the environment, where that names one."""
    from runtime.settings import from_env

    own = from_env()
    if not (own.dashboard_password_hash or own.dashboard_proxy_user_header):
        return settings
    return replace(
        settings,
        dashboard_password_hash=own.dashboard_password_hash,
        dashboard_proxy_user_header=own.dashboard_proxy_user_header,
        trusted_proxies=own.trusted_proxies or settings.trusted_proxies,
    )


def _own_name(host: str) -> list[str]:
    """The address itself, where it listens on one: no name leads to another by it."""
    try:
        is_any = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return []
    return [] if is_any or ":" in host else [host]


def _print_hash() -> None:
    from hookline.dashboard.login.passwords import hashed

    output.print_line(hashed(_asked() if sys.stdin.isatty() else _piped()))


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _piped() -> str:
    """Return the first line of standard input; a second one repeats it, where there is one.

    Without a terminal nothing can be hidden, and getpass would warn of it as a traceback does.
    """
    output.print_message("no terminal: the password is the first line of standard input")
    first, second = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
    if not first:
        raise CommandError(
            "standard input is empty: run this in a terminal, or write the password as its first"
            " line"
        )
    if second and second != first:
        raise CommandError("the two passwords differ: nothing was made of them")
    return first


def _audit_folder(data: Path | None) -> Path:
    """The data folder that is named or that a stack is in, else the current folder."""
    folder = data_folder(data)
    is_named = data is not None or "HOOKLINE_DATA" in os.environ
    return folder if is_named or (folder / "run.json").exists() else Path()
