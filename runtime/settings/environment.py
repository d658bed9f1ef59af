"""The settings read from the ``HOOKLINE_*`` environment variables, and checked."""

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from runtime.settings.tls import SettingsError
from runtime.settings.values import Settings
from schemas.topics import MAX_BODY

LONGEST_SESSION = 90.0
"""Seconds; a longer session would exceed Faust's own request timeout."""


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
OTHER_NAMES = (
    "HOOKLINE_CACHE", "HOOKLINE_CONTACTS_READER_URL", "HOOKLINE_DASHBOARD_URL", "HOOKLINE_DATA",
    "HOOKLINE_DEBUG", "HOOKLINE_INGRESS_URL", "HOOKLINE_METRICS",
    "HOOKLINE_NO_HINTS",
    *(f"HOOKLINE_NOTIFY_{name}" for name in (
        "BEHIND", "DRIFT_INTERVAL", "EXPECTED", "FAILURES", "FROM", "HELD", "IGNORE", "INTERVAL",
        "LETTERS", "REPEAT", "SECRET", "SHOPS_INTERVAL", "SMTP_URL", "TO", "UNREACHABLE", "URL",
    )),
    "HOOKLINE_READER_URL",
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
    names = [f"HOOKLINE_{item.name.upper()}" for item in fields(Settings)] + list(OTHER_NAMES)
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
    if not re.fullmatch(r"(https?://[^/\s]+(/\S*)?)?", settings.otlp_endpoint):
        raise SettingsError(
            "HOOKLINE_OTLP_ENDPOINT: write the URL of a collector, like http://localhost:4318, or"
            " nothing"
        )
    if settings.session_timeout > LONGEST_SESSION:
        raise SettingsError(f"HOOKLINE_SESSION_TIMEOUT: at most {LONGEST_SESSION:.0f} seconds")
    if settings.max_body > MAX_BODY:
        raise SettingsError(f"HOOKLINE_MAX_BODY: at most {MAX_BODY} fit through the topics")
    return settings
