"""The settings of all stages, with their defaults."""

import ipaddress
import os
import tempfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from runtime.settings.tls import SettingsError, load_certificate, trusting
from schemas.topics import MAX_BODY, MIB, Topic

MIN_CONTACT_KEY = 16
"""Bytes."""
ANSWER_MS = 10_000
"""Milliseconds that Kafka has for an answer; aiokafka's 40 s are long for a silent broker."""


def _default_state_dir() -> str:
    """Return a folder in the system's for temporary files, also where that takes no file now."""
    try:
        return str(Path(tempfile.gettempdir()) / f"hookline-{os.getuid()}")
    except OSError:  # a full or read-only disk: there is no cache then
        return f"/tmp/hookline-{os.getuid()}"  # noqa: S108 - only ever a cache, read with care


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings but the shops. Field ``x`` is the variable ``HOOKLINE_X``.

    Times are in seconds, sizes in bytes. ``prefix`` precedes the names of topics, groups,
    subjects and the SQL schema. ``contact_key`` keys the hash of e-mail addresses; it must be the
    same for all processors (``runtime/contact_key.py`` holds it against the log's).
    ``contact_key_before``: the key that it replaces, while `hookline people rotate-key` and the
    processors after it need both. ``health_host`` and ``health_port``: where a stage serves its
    pages, apart from the webhooks. ``share_port``: other ingresses may listen on ``port`` too
    (SO_REUSEPORT). ``trusted_proxies``: addresses and networks, with commas, whose
    X-Forwarded-For is believed.
    ``cloudevents``: canonical records carry the ``ce_`` headers of CloudEvents. ``otlp_endpoint``:
    the URL of a collector of traces; none are made where it is empty. ``ssl_certfile``:
    the certificate that shows Kafka who we are, with its key there or in ``ssl_keyfile``.
    ``dashboard_password_hash``: of the password with which one may write from the dashboard;
    ``dashboard_proxy_user_header``: the header in which a trusted proxy names who logged in.
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
    contact_key_before: str = field(default="", repr=False)
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
    dashboard_password_hash: str = field(default="", repr=False)
    dashboard_proxy_user_header: str = ""
    cloudevents: bool = False
    otlp_endpoint: str = ""
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
                " same random text for all processors (`openssl rand -hex 32`), and change it only"
                " by `hookline people rotate-key`"
            )
        length = len(self.contact_key.rstrip("\r\n").encode())
        if self.contact_key == self.contact_key_before:
            raise SettingsError(
                "HOOKLINE_CONTACT_KEY_BEFORE is the same key as HOOKLINE_CONTACT_KEY: set the one"
                " that it replaced, or unset it"
            )
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
                load_certificate(
                    context, self.ssl_certfile, self.ssl_keyfile, self.ssl_key_password
                )
            arguments["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return arguments

    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables, for a child process."""
        return {
            f"HOOKLINE_{item.name.upper()}": str(getattr(self, item.name))
            for item in fields(self)
            if getattr(self, item.name) is not None
        }
