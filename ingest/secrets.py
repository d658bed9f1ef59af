"""Shops' secrets: references resolved on first use and cached until the shops are reloaded."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ingest import signatures
from runtime import logs, metrics
from schemas.shops import Shop

log = logs.get("hookline.secrets")

RETRY_AFTER = 5.0
"""Seconds after which a failed reference is resolved again."""


class SecretsError(ValueError):
    """None of a shop's secrets can be resolved; the message names the reference."""


def resolve(reference: str, env: Mapping[str, str] = os.environ) -> bytes:
    """Return the secret that ``env:NAME`` or ``file:PATH`` refers to, or the text itself.

    Raises SecretsError if the variable or file is missing or empty.
    """
    kind, colon, name = reference.partition(":")
    if colon and kind == "env":
        if not (value := env.get(name)):
            raise SecretsError(f"set the environment variable {name}")
        return value.encode()
    if colon and kind == "file":
        try:
            content = Path(name).read_bytes().strip(b"\r\n")
        except OSError as error:
            raise SecretsError(f"{name}: {error.strerror}") from error
        if not content:
            raise SecretsError(f"{name} is empty")
        return content
    return reference.encode()


class SecretBook:
    """Resolved secrets by shop. Call ``clear`` when the shops were reloaded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._resolved: dict[tuple[str, str], tuple[bytes, ...]] = {}
        self._failed: dict[tuple[str, str], tuple[float, str]] = {}

    def clear(self) -> None:
        """Drop all cached secrets; the next use resolves them again."""
        signatures.forget()
        self._resolved.clear()
        self._failed.clear()

    def of(self, shop: Shop) -> tuple[bytes, ...]:
        """Return the shop's secrets that can be resolved. Raises SecretsError if none can."""
        name = (shop.source, shop.id)
        if (cached := self._resolved.get(name)) is not None:
            return cached
        if (failed := self._failed.get(name)) and self._clock() - failed[0] < RETRY_AFTER:
            raise SecretsError(failed[1])
        secrets: list[bytes] = []
        problems: list[str] = []
        for reference in shop.secrets:
            try:
                secrets.append(resolve(reference))
            except SecretsError as error:
                problems.append(str(error))
        if problems:
            metrics.SECRETS_MISSING.labels(*name).inc(len(problems))
            log.error("secrets are missing", source=name[0], shop=name[1], remedy=problems)
        if not secrets:
            self._failed[name] = (self._clock(), "; ".join(problems))
            raise SecretsError("; ".join(problems))
        self._resolved[name] = tuple(secrets)
        return self._resolved[name]
