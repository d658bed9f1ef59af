"""Settings of ``hookline notify``: where messages go, and what is worth one."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from email.policy import SMTP
from email.utils import getaddresses
from urllib.parse import urlsplit

from hookline.notify.sending.signatures import signing_keys
from runtime.settings import SettingsError

PREFIX = "HOOKLINE_NOTIFY_"
DASHBOARD_URL = "HOOKLINE_DASHBOARD_URL"
_MAY_BE_ZERO = frozenset({"letters", "drift_interval"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Field ``x`` is the variable ``HOOKLINE_NOTIFY_X``. Times are in seconds.

    ``url`` and ``secret``: the receiver of webhooks, and its ``whsec_…`` (several with blanks while
    one replaces another). ``smtp_url``: smtp(s)://user:password@host:port. ``to``: addresses, with
    commas. ``interval``: between looks at the pipeline; ``shops_interval``: at the shops, which
    reads whole tables; ``drift_interval``: at their payloads, which reads two days of the raw
    topic, 0 for never. ``repeat``: until a condition that lasts is reported again. ``behind``,
    ``held``, ``unreachable``: how long the tables may be behind, held or away. ``letters``: dead
    letters that may be open. ``failures``: the share of a shop's deliveries that may become dead
    letters. ``expected``: deliveries that came in the same hours of each of the past four weeks,
    for their absence to be silence. ``ignore``: shops that no message is about, with commas.
    """

    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    smtp_url: str = field(default="", repr=False)
    sender: str = ""
    to: str = ""
    interval: float = 60.0
    shops_interval: float = 600.0
    drift_interval: float = 86_400.0
    repeat: float = 86_400.0
    behind: float = 300.0
    held: float = 300.0
    unreachable: float = 60.0
    letters: int = 0
    failures: float = 0.05
    expected: int = 10
    ignore: str = ""
    dashboard_url: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of ``to``."""
        return _listed(self.to)

    @property
    def ignored(self) -> frozenset[str]:
        """The shops of ``ignore``, as source/shop."""
        return frozenset(_listed(self.ignore))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def variable(field_name: str) -> str:
    """Return the variable of a field: ``sender`` is HOOKLINE_NOTIFY_FROM."""
    if field_name == "dashboard_url":
        return DASHBOARD_URL
    return PREFIX + ("FROM" if field_name == "sender" else field_name.upper())


VARIABLES = tuple(variable(each.name) for each in fields(NotifySettings))


def from_env(env: Mapping[str, str] = os.environ) -> NotifySettings:
    """Read the settings. Raises SettingsError for a value that cannot be used."""
    values: dict[str, str | int | float] = {}
    for each in fields(NotifySettings):
        name = variable(each.name)
        text = env.get(name)
        if text is not None:
            values[each.name] = text if each.type is str else _number(name, each.name, text)
    settings = NotifySettings(**values)  # type: ignore[arg-type]  # each as its field's type
    _check_webhook(settings)
    _check_mail(settings)
    if settings.failures > 1:
        raise SettingsError(f"{PREFIX}FAILURES={settings.failures}: a share is at most 1")
    if settings.dashboard_url and not _is_web(settings.dashboard_url):
        raise SettingsError(f"{DASHBOARD_URL}: write a URL like http://127.0.0.1:8900, or nothing")
    return settings


def _number(name: str, field_name: str, text: str) -> int | float:
    is_whole = field_name in ("letters", "expected")
    try:
        number: int | float = int(text) if is_whole else float(text)
    except ValueError as error:
        raise SettingsError(f"{name}={text!r}: write a number") from error
    if not math.isfinite(number) or number < 0 or (number == 0 and field_name not in _MAY_BE_ZERO):
        raise SettingsError(f"{name}={text}: write a number above 0")
    return number


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def _check_webhook(settings: NotifySettings) -> None:
    if not settings.url:
        return
    if not _is_web(settings.url):
        raise SettingsError(f"{PREFIX}URL: write the URL of a receiver, https://…")
    if not settings.secret:
        raise SettingsError(
            f"{PREFIX}SECRET is not set: {PREFIX}URL needs it; set whsec_ and random bytes in"
            ' base64: echo "whsec_$(openssl rand -base64 32)"'
        )
    try:
        signing_keys(settings.secret)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}SECRET: {error}") from error


def _check_mail(settings: NotifySettings) -> None:
    if not settings.smtp_url:
        return
    try:
        parts = urlsplit(settings.smtp_url)
        _ = parts.port
    except ValueError:  # its message may quote the password
        raise SettingsError(
            f"{PREFIX}SMTP_URL cannot be read: write #, /, ?, @, [ and % of a user or password as"
            " %23, %2F, %3F, %40, %5B and %25, and a port as a number"
        ) from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise SettingsError(f"{PREFIX}SMTP_URL: write smtp://user:password@host:587, or smtps://…")
    if parts.query not in ("", "tls=none", "tls=required"):
        raise SettingsError(f"{PREFIX}SMTP_URL: behind ? may be tls=none or tls=required")
    for name, value in (("FROM", settings.sender), ("TO", settings.to)):
        if "@" not in value:
            raise SettingsError(f"{PREFIX}{name} is not an address: {PREFIX}SMTP_URL needs it")
        if not value.isprintable():
            raise SettingsError(f"{PREFIX}{name} has a line break")
        if not _are_addresses(name, value):
            raise SettingsError(f"{PREFIX}{name}: write addresses like hookline@example.com")


def _are_addresses(name: str, value: str) -> bool:
    """Whether a mail can have this header: found here, not when the first message is due."""
    try:
        SMTP.header_factory(name, value).fold(policy=SMTP)
    except Exception:  # noqa: BLE001 - whatever the parser raises, mails would raise it too
        return False
    return all(
        address.isascii() and " " not in address and all(address.rpartition("@")[::2])
        for _, address in getaddresses([value])
    )
