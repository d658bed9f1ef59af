"""Edits the shops file, keeping comments and layout; a broken file is never written.

Each edit changes the text, parses the result and compares it with the intended shops; then the
file is replaced atomically.
"""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from hookline.console.errors import CommandError
from schemas import shops
from schemas.shops import Shop, ShopsError

Key = tuple[str, str]
"""Source and id."""

_REFERENCES = ("env:", "file:")


def is_reference(secret: str) -> bool:
    """Whether the secret itself is kept outside the file."""
    return secret.startswith(_REFERENCES)


def read(path: Path) -> str:
    """Read the text with its own line ends; empty if there is no file. Raises ShopsError."""
    if not path.exists():
        return ""
    shops.read(path)  # raises ShopsError with a better message
    return path.read_bytes().decode()


def shop_of(fields: Mapping[str, Any]) -> Shop:
    """Build a shop from the keys of its table. Raises ShopsError, which names the key."""
    (shop,) = shops.parse(tomlkit.dumps({"shops": [dict(fields)]})).values()
    return shop


def with_shop(text: str, fields: Mapping[str, Any]) -> str:
    """Return the text with one more shop at its end. Raises ShopsError, CommandError."""
    existing, added = shops.parse(text), shop_of(fields)
    key = added.source, added.id
    if key in existing:
        raise CommandError(
            f"{added.source}/{added.id} exists already: choose another --id, or change it in"
            " the file"
        )
    newline = "\r\n" if "\r\n" in text else "\n"
    table = tomlkit.dumps({"shops": [dict(fields)]}).replace("\n", newline)
    gap = "" if not text or text.endswith(newline * 2) else newline
    gap = gap if not text or text.endswith("\n") else newline * 2
    return _verified(text + gap + table, {**existing, key: added})


def with_secret(text: str, key: Key, secret: str) -> str:
    """Return the text with one more secret of a shop, first. Raises ShopsError, CommandError."""
    shop = _require(shops.parse(text), key)
    name = "/".join(key)
    if len(shop.secrets) > 1:
        raise CommandError(
            f"{name} has two secrets already: finish that rotation first,"
            f" `hookline shops rotate {name} --finish`"
        )
    if is_reference(shop.secrets[0]) and not is_reference(secret):
        raise CommandError(
            f"{name} keeps its secret outside the file: store the new one there too, and name it"
            " with --secret env:NAME or --secret file:PATH"
        )
    return _with_secrets(text, key, (secret, *shop.secrets))


def without_old_secret(text: str, key: Key) -> str:
    """Return the text with only a shop's first secret. Raises ShopsError, CommandError."""
    shop = _require(shops.parse(text), key)
    if len(shop.secrets) < 2:  # noqa: PLR2004 - new and old
        raise CommandError(f"{'/'.join(key)} has one secret: there is no rotation to finish")
    return _with_secrets(text, key, shop.secrets[:1])


def _with_secrets(text: str, key: Key, secrets: tuple[str, ...]) -> str:
    existing = shops.parse(text)
    try:
        document = tomlkit.parse(text)
        (entry,) = (e for e in document["shops"] if (e["source"], e["id"]) == key)
        array = entry["secrets"]
        if "\n" not in array.as_string():
            entry["secrets"] = list(secrets)
        elif len(secrets) > len(array):  # over several lines, perhaps with comments: they stay
            array.insert(0, secrets[0])
        else:
            array.pop()
        changed = tomlkit.dumps(document)
        return _verified(changed, {**existing, key: replace(existing[key], secrets=secrets)})
    except (TOMLKitError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(
            f"the secrets of {'/'.join(key)} cannot be changed safely as written: edit the file"
        ) from error


def _require(existing: Mapping[Key, Shop], key: Key) -> Shop:
    if key not in existing:
        names = ", ".join("/".join(each) for each in existing) or "none"
        raise CommandError(f"no shop {'/'.join(key)}: there is {names}")
    return existing[key]


def _verified(text: str, expected: dict[Key, Shop]) -> str:
    """Return the text if it parses to exactly the expected shops; raise CommandError if not."""
    with suppress(ShopsError):
        if shops.parse(text) == expected:
            return text
    raise CommandError("the file cannot be changed safely as it is written: edit it by hand")


def write(path: Path, before: str, after: str) -> None:
    """Replace the file atomically. Raises CommandError if it changed since it was read."""
    target = path.resolve()  # a symbolic link stays one
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise CommandError(f"{target.parent}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        if read(target) != before:
            raise CommandError(f"{path} was changed meanwhile: nothing was written, try again")
        Path(temporary).replace(target)
    except OSError as error:
        raise CommandError(f"{path} cannot be replaced: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
