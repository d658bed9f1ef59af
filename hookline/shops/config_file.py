"""Changes of the shops file: comments and everything else stay, and a broken file is never written.

Each change is made on the text, read again, and compared with what was meant; then the file is
replaced in one step.
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

from hookline.errors import CommandError
from schemas import shops
from schemas.shops import Shop, ShopsError

Key = tuple[str, str]
"""Source and id."""

_REFERENCES = ("env:", "file:")


def is_reference(secret: str) -> bool:
    """Whether the secret itself stands elsewhere."""
    return secret.startswith(_REFERENCES)


def read(path: Path) -> str:
    """The file's text with its own line ends; empty where there is none. Raises ShopsError."""
    if not path.exists():
        return ""
    shops.read(path)  # its errors are ours
    return path.read_bytes().decode()


def shop_of(fields: Mapping[str, Any]) -> Shop:
    """The shop that these keys make. Raises ShopsError, which names the key."""
    (shop,) = shops.parse(tomlkit.dumps({"shops": [dict(fields)]})).values()
    return shop


def with_shop(text: str, fields: Mapping[str, Any]) -> str:
    """The text with one shop more at its end. Raises ShopsError, CommandError."""
    before, added = shops.parse(text), shop_of(fields)
    key = added.source, added.id
    if key in before:
        raise CommandError(
            f"{added.source}/{added.id} is there already: choose another --id, or change it in"
            " the file"
        )
    ends = "\r\n" if "\r\n" in text else "\n"
    table = tomlkit.dumps({"shops": [dict(fields)]}).replace("\n", ends)
    gap = "" if not text or text.endswith(ends * 2) else ends
    gap = gap if not text or text.endswith("\n") else ends * 2
    return _meant(text + gap + table, {**before, key: added})


def with_secret(text: str, key: Key, secret: str) -> str:
    """The text with one more secret of a shop, in front. Raises ShopsError, CommandError."""
    shop = _known(shops.parse(text), key)
    name = "/".join(key)
    if len(shop.secrets) > 1:
        raise CommandError(
            f"{name} has two secrets already: end that rotation first,"
            f" `hookline shops rotate {name} --finish`"
        )
    if is_reference(shop.secrets[0]) and not is_reference(secret):
        raise CommandError(
            f"{name} keeps its secret outside of the file: put the new one there too, and name it"
            " with --secret env:NAME or --secret file:PATH"
        )
    return _with_secrets(text, key, (secret, *shop.secrets))


def without_old_secret(text: str, key: Key) -> str:
    """The text with a shop's first secret alone. Raises ShopsError, CommandError."""
    shop = _known(shops.parse(text), key)
    if len(shop.secrets) < 2:  # noqa: PLR2004 - new and old
        raise CommandError(f"{'/'.join(key)} has one secret: there is no rotation to finish")
    return _with_secrets(text, key, shop.secrets[:1])


def _with_secrets(text: str, key: Key, secrets: tuple[str, ...]) -> str:
    before = shops.parse(text)
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
        return _meant(changed, {**before, key: replace(before[key], secrets=secrets)})
    except (TOMLKitError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(
            f"the secrets of {'/'.join(key)} stand where they cannot be changed safely: edit them"
        ) from error


def _known(found: Mapping[Key, Shop], key: Key) -> Shop:
    if key not in found:
        there = ", ".join("/".join(each) for each in found) or "none"
        raise CommandError(f"no shop {'/'.join(key)}: there is {there}")
    return found[key]


def _meant(text: str, expected: dict[Key, Shop]) -> str:
    """The text, if it says exactly what is expected."""
    with suppress(ShopsError):
        if shops.parse(text) == expected:
            return text
    raise CommandError("the file is written in a way that cannot be changed safely: edit it")


def write(path: Path, before: str, after: str) -> None:
    """Replace the file in one step. Raises CommandError where it changed since it was read."""
    place = path.resolve()  # a link stays a link
    mode = place.stat().st_mode & 0o777 if place.exists() else 0o600
    try:
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    except OSError as error:
        raise CommandError(f"{place.parent}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        if read(place) != before:
            raise CommandError(f"{path} was changed meanwhile: nothing is written, try again")
        Path(temporary).replace(place)
    except OSError as error:
        raise CommandError(f"{path} cannot be replaced: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
