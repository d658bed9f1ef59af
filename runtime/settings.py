"""Settings: read once from the ``HOOKLINE_*`` environment variables, then passed on."""

import difflib
import ipaddress
import math
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from schemas.topics import MAX_BODY, MIB, Topic

MIN_CONTACT_KEY = 16
"""Bytes."""
LONGEST_SESSION = 90.0
"""Seconds; a longer session would exceed Faust's own request timeout."""
ANSWER_MS = 10_000
"""Milliseconds that Kafka has for an answer; aiokafka's 40 s are long for a silent broker."""


def _default_state_dir() -> str:
    """Return a folder in the system's for temporary files, also where that takes no file now."""
    try:
        return str(Path(tempfile.gettempdir()) / f"hookline-{os.getuid()}")
    except OSError:  # a full or read-only disk: there is no cache then
        return f"/tmp/hookline-{os.getuid()}"  # noqa: S108 - only ever a cache, read with care


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings but the shops. Field ``x`` is the variable ``HOOKLINE_X``.

    Times are in seconds, sizes in bytes. ``prefix`` precedes the names of topics, groups,
    subjects and the SQL schema. ``contact_key`` keys the hash of e-mail addresses; it must be the
    same for all processors and never change (``runtime/contact_key.py`` holds it against the
    log's). ``health_host`` and ``health_port``: where a stage serves its pages, apart from the
    webhooks. ``share_port``: other ingresses may listen on ``port`` too (SO_REUSEPORT).
    ``trusted_proxies``: addresses and networks, with commas, whose X-Forwarded-For is believed.
    ``cloudevents``: canonical records carry the ``ce_`` headers of CloudEvents. ``ssl_certfile``:
    the certificate that shows Kafka who we are, with its key there or in ``ssl_keyfile``.
    ``keep_alive``: how long an idle connection of the ingress stays open. ``shop_wait``: how long
    a delivery waits for its shop to appear in a processor's shops file before it becomes a dead
    letter.
    """

    brokers: str = "localhost:9092"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    registry_url: str = "http://localhost:8081"
    registry_username: str | None = None
    registry_password: str | None = field(default=None, repr=False)
    registry_cafile: str | None = None
    database_url: str = field(default="postgresql://localhost:5432/hookline", repr=False)
    prefix: str = ""
    shops_file: str = "shops.toml"
    contact_key: str = field(default="", repr=False)
    state_dir: str = field(default_factory=_default_state_dir)
    partitions: int = 12
    replication_factor: int = 3
    host: str = "127.0.0.1"
    port: int = 8080
    health_host: str = "127.0.0.1"
    health_port: int = 0
    share_port: bool = False
    trusted_proxies: str = ""
    max_body: int = MAX_BODY
    body_timeout: float = 10.0
    keep_alive: float = 75.0
    produce_timeout: float = 5.0
    max_in_flight: int = 64 * MIB
    session_timeout: float = 10.0
    heartbeat_interval: float = 3.0
    commit_interval: float = 1.0
    record_budget: float = 5.0
    stall_timeout: float = 60.0
    shop_wait: float = 60.0
    ingress_heartbeat: float = 5.0
    sweep_interval: float = 1.0
    sender_grace: float = 3600.0
    cloudevents: bool = False
    log_format: str = "auto"  # auto, json or text
    log_level: str = "info"

    def topic(self, topic: Topic) -> str:
        """Return the topic's name on the broker."""
        return topic.named(self.prefix)

    def require_contact_key(self) -> None:
        """Raise SettingsError unless there is a key for the hash of e-mail addresses.

        A line break at its end is part of the key, as it always was, but adds no length.
        """
        if not self.contact_key:
            raise SettingsError(
                "HOOKLINE_CONTACT_KEY is not set: it keys the hash of e-mail addresses; set the"
                " same random text for all processors (`openssl rand -hex 32`), and never change it"
            )
        length = len(self.contact_key.rstrip("\r\n").encode())
        if length < MIN_CONTACT_KEY:
            raise SettingsError(
                f"HOOKLINE_CONTACT_KEY has {length} bytes, {MIN_CONTACT_KEY} are needed: addresses"
                " could be found from their hashes by trying keys; set random text, for example"
                " of `openssl rand -hex 32`"
            )

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks of ``trusted_proxies``. Raises SettingsError for what is none."""
        try:
            return tuple(
                ipaddress.ip_network(each.strip(), strict=False)
                for each in self.trusted_proxies.split(",")
                if each.strip()
            )
        except ValueError as error:
            raise SettingsError(
                f"HOOKLINE_TRUSTED_PROXIES: {error}; write addresses and networks, with commas"
            ) from error

    @property
    def sql_schema(self) -> str:
        """The PostgreSQL schema that holds the tables."""
        return f"{self.prefix}hookline"

    def kafka(self) -> dict[str, Any]:
        """Return the connection arguments of every aiokafka client."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.brokers,
            "request_timeout_ms": ANSWER_MS,
        }
        if self.security_protocol == "PLAINTEXT":
            return arguments
        arguments["security_protocol"] = self.security_protocol
        if "SSL" in self.security_protocol:
            context = trusting(self.ssl_cafile, "HOOKLINE_SSL_CAFILE")
            if self.ssl_certfile:
                self._load_certificate(context, self.ssl_certfile)
            arguments["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return arguments

    def _load_certificate(self, context: ssl.SSLContext, certfile: str) -> None:
        # Never None: OpenSSL would ask for the password of an encrypted key at the terminal.
        password = self.ssl_key_password or ""
        try:
            context.load_cert_chain(certfile, self.ssl_keyfile or None, lambda: password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise SettingsError(
                f"HOOKLINE_SSL_CERTFILE={certfile}: no certificate with its key can be read from it"
                " and HOOKLINE_SSL_KEYFILE: check both, and HOOKLINE_SSL_KEY_PASSWORD for a key"
                " that is encrypted"
            ) from error

    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables, for a child process."""
        return {
            f"HOOKLINE_{item.name.upper()}": str(getattr(self, item.name))
            for item in fields(self)
            if getattr(self, item.name) is not None
        }


def trusting(cafile: str | None, name: str) -> ssl.SSLContext:
    """Return a context for TLS that trusts the authorities of a file, else the system's.

    Raises SettingsError with ``name``, the variable that gave the file.
    """
    try:
        return ssl.create_default_context(cafile=cafile or None)
    except OSError as error:  # ssl.SSLError is one too
        raise SettingsError(
            f"{name}={cafile}: no certificates can be read from it: {error.strerror or error}"
        ) from error


def _parse_bool(text: str) -> bool:
    values = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in values:
        raise ValueError(text)
    return values[text.lower()]


_PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "a number"),
    "float": (float, "a number"),
    "bool": (_parse_bool, "true or false"),
}
"""By type: the parser, and what an operator may write."""


_MAY_BE_ZERO = frozenset({"port", "health_port", "sender_grace", "shop_wait"})
_OTHER_NAMES = (
    "HOOKLINE_CACHE", "HOOKLINE_CONTACTS_READER_URL", "HOOKLINE_DATA", "HOOKLINE_DEBUG",
    "HOOKLINE_INGRESS_URL", "HOOKLINE_READER_URL",
)  # fmt: skip
"""Variables of the command line, which are no settings of a stage."""
_MAX_PORT = 65_535
_CHOICES = {
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}
"""Setting -> the values that it can have."""


def misspelt(env: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each ``HOOKLINE_*`` variable that looks like a misspelt setting."""
    names = [f"HOOKLINE_{item.name.upper()}" for item in fields(Settings)] + list(_OTHER_NAMES)
    return [
        f"{name} is not a setting and is ignored: is {nearest} meant?"
        for name in sorted(env)
        if name.startswith("HOOKLINE") and name not in names
        for nearest in [longer for longer in names if longer.startswith(f"{name}_")][:1]
        or difflib.get_close_matches(name, names, 1, 0.85)
    ]


def _check_number(name: str, field_name: str, value: Any) -> None:
    """Raise SettingsError for a number that no setting of this kind can have."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if not math.isfinite(value) or value < 0:
        raise SettingsError(f"{name}={value}: write a number of 0 or more")
    if value == 0 and field_name not in _MAY_BE_ZERO:
        raise SettingsError(f"{name}={value}: write a number above 0")
    if field_name.endswith("port") and value > _MAX_PORT:
        raise SettingsError(f"{name}={value}: a port is at most {_MAX_PORT}")


def _check_kafka(settings: Settings) -> None:
    """Raise SettingsError for a way of connecting that no client has."""
    for name, choices in _CHOICES.items():
        if (value := getattr(settings, name)) not in choices:
            raise SettingsError(f"HOOKLINE_{name.upper()}={value}: write {', '.join(choices)}")
    if settings.security_protocol.startswith("SASL"):
        for name in ("sasl_username", "sasl_password"):
            if not getattr(settings, name):
                raise SettingsError(
                    f"HOOKLINE_{name.upper()} is not set:"
                    f" HOOKLINE_SECURITY_PROTOCOL={settings.security_protocol} needs it"
                )
    if settings.heartbeat_interval >= settings.session_timeout:
        raise SettingsError(
            f"HOOKLINE_HEARTBEAT_INTERVAL={settings.heartbeat_interval}: write less than"
            f" HOOKLINE_SESSION_TIMEOUT={settings.session_timeout}, usually a third of it"
        )


def _check_tls(settings: Settings) -> None:
    """Raise SettingsError for files that do not exist, and for a certificate that is not used."""
    if "SSL" not in settings.security_protocol and settings.ssl_certfile:
        raise SettingsError(
            f"HOOKLINE_SSL_CERTFILE={settings.ssl_certfile} is not used:"
            f" HOOKLINE_SECURITY_PROTOCOL={settings.security_protocol} has no TLS; write SSL"
        )
    if settings.ssl_keyfile and not settings.ssl_certfile:
        raise SettingsError("HOOKLINE_SSL_CERTFILE is not set: HOOKLINE_SSL_KEYFILE needs it")
    names = ["registry_cafile"]
    if "SSL" in settings.security_protocol:
        names += ["ssl_cafile", "ssl_certfile", "ssl_keyfile"]
    for name in names:
        if (path := getattr(settings, name)) and not Path(path).is_file():
            raise SettingsError(f"HOOKLINE_{name.upper()}={path}: there is no such file")


def from_env(env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError for a value that cannot be used."""
    values: dict[str, Any] = {}
    for item in fields(Settings):
        name = f"HOOKLINE_{item.name.upper()}"
        if name not in env:
            continue
        kind = str(getattr(item.type, "__name__", item.type))
        parse, remedy = _PARSERS.get(kind, (str, ""))
        try:
            values[item.name] = parse(env[name])
        except ValueError as error:
            raise SettingsError(f"{name}={env[name]!r}: write {remedy}") from error
        _check_number(name, item.name, values[item.name])
    settings = Settings(**values)
    _check_kafka(settings)
    _ = settings.trusted_networks  # raises where one is not usable
    if not re.fullmatch(r"([a-z][a-z0-9_]{0,30})?", settings.prefix):
        raise SettingsError("HOOKLINE_PREFIX: lower-case letters, digits and '_', or nothing")
    _check_tls(settings)
    if settings.session_timeout > LONGEST_SESSION:
        raise SettingsError(f"HOOKLINE_SESSION_TIMEOUT: at most {LONGEST_SESSION:.0f} seconds")
    if settings.max_body > MAX_BODY:
        raise SettingsError(f"HOOKLINE_MAX_BODY: at most {MAX_BODY} fit through the topics")
    return settings
