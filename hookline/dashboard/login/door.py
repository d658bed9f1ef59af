"""Who asks: nobody that is known, who gave the password, or whom a trusted proxy names."""

import ipaddress
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from hookline.dashboard.database import BusyError
from hookline.dashboard.login import passwords
from hookline.dashboard.login.attempts import Attempts
from hookline.dashboard.login.sessions import COOKIE, Session, Sessions
from ingest.http.addresses import Addresses
from runtime.settings import Settings, SettingsError

HEADER_NAME = "HOOKLINE_DASHBOARD_PROXY_USER_HEADER"
OPERATOR = "operator"
"""The user whom the password makes: there is one password."""
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}")
_LONGEST_USER = 200
_GUESSES = 2
"""Passwords that are tried at once: each takes 32 MiB and a core."""
_WAITING = 8
"""Passwords that wait for that: each holds a thread, of the 40 that answer all pages."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. ``user`` is empty for nobody; ``token`` is that of the forms.

    ``session``: None for a user whom a proxy names. ``can_log_in``: a login is configured.
    """

    user: str = ""
    token: str = ""
    session: Session | None = None
    can_log_in: bool = False
    has_password: bool = False


class Door:
    """The login of one dashboard. ``reading_needs_login``: it is reached from other machines."""

    def __init__(self, settings: Settings, *, reading_needs_login: bool = False) -> None:
        given = settings.dashboard_password_hash
        self._password = passwords.parse(given) if given else None
        self._header = settings.dashboard_proxy_user_header.lower()
        self._trusted = settings.trusted_networks
        if self._header and not _TOKEN.fullmatch(self._header):
            raise SettingsError(f"{HEADER_NAME}: write the name of a header, like X-Remote-User")
        if self._header and not self._trusted:
            raise SettingsError(
                f"HOOKLINE_TRUSTED_PROXIES is not set: {HEADER_NAME} is believed of its addresses"
            )
        self.reading_needs_login = reading_needs_login
        self.sessions = Sessions()
        self.attempts = Attempts()
        self._addresses = Addresses(self._trusted)
        self._pending = threading.BoundedSemaphore(_GUESSES + _WAITING)
        self._guesses = threading.BoundedSemaphore(_GUESSES)

    @property
    def is_configured(self) -> bool:
        """Whether anybody can log in."""
        return self._password is not None or bool(self._header)

    def visitor(self, connection: HTTPConnection) -> Visitor:
        """Return who asks."""
        known = Visitor(can_log_in=self.is_configured, has_password=self._password is not None)
        if user := self._named_by_proxy(connection):
            return replace(known, user=user, token=self.sessions.token(_of_proxy(user)))
        session = self.sessions.read(connection.cookies.get(COOKIE, ""))
        if session is None or self._password is None:
            return known
        token = self.sessions.token(session.id)
        return replace(known, user=session.user, token=token, session=session)

    def is_token(self, visitor: Visitor, token: str) -> bool:
        """Whether a form's token is the visitor's."""
        of = visitor.session.id if visitor.session else _of_proxy(visitor.user)
        return bool(visitor.user) and self.sessions.is_token(of, token)

    def is_password(self, password: str) -> bool:
        """Whether it is the password; few are tried at once. Raises BusyError where many wait."""
        if self._password is None:
            return False
        if not self._pending.acquire(blocking=False):
            raise BusyError("many passwords are being tried: try again in a moment")
        try:
            with self._guesses:
                return self._password.matches(password)
        finally:
            self._pending.release()

    def address(self, connection: HTTPConnection) -> str:
        """Return the address of who asks, behind trusted proxies too; empty if not known."""
        return self._addresses.of(connection.scope) or ""

    def is_https(self, connection: HTTPConnection) -> bool:
        """Whether the browser asked over TLS, by what a trusted proxy adds."""
        proto = connection.headers.get("x-forwarded-proto", "").strip().lower()
        return connection.url.scheme == "https" or (
            proto == "https" and self._is_trusted(connection)
        )

    def is_own_origin(self, connection: HTTPConnection) -> bool:
        """Whether a form is of one of our pages: its Origin names the host that was asked."""
        origin = connection.headers.get("origin", "")
        host = connection.headers.get("host", "")
        schemes = ("https",) if self.is_https(connection) else ("http", "https")
        return bool(host) and origin.lower() in [f"{each}://{host.lower()}" for each in schemes]

    def _named_by_proxy(self, connection: HTTPConnection) -> str:
        if not self._header or not self._is_trusted(connection):
            return ""
        given = connection.headers.getlist(self._header)
        # Of two, one may be a visitor's own.
        user = given[0].strip() if len(given) == 1 else ""
        return user if user.isprintable() and len(user) <= _LONGEST_USER else ""

    def _is_trusted(self, connection: HTTPConnection) -> bool:
        return connection.client is not None and _is_within(connection.client.host, self._trusted)


def _of_proxy(user: str) -> str:
    """What serves as the session of a user whom a proxy names."""
    return f"proxy:{user}"


def _is_within(text: str, networks: Sequence[Any]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)


def local_path(text: str) -> str:
    """Return a path of ours to go to after the login; the first page for anything else."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    if not is_local or "\\" in text or urlsplit(text).netloc or urlsplit(text).scheme:
        return "/now"
    return text
