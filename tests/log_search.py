"""Secrets and personal data in the logs of a test run: there must be none."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from schemas import shops
from tests import example_files, senders

SHORTEST = 8
"""Characters of a secret or a name that cannot stand in a log by chance."""

LONGEST_NUMBER = 10
"""Digits of a telephone number that may as well be a count or a time."""

_ADDRESS = re.compile(r"[\w.+%-]+@(?:[\w-]+\.)+[A-Za-z][\w-]+")
"""Of a person: a role at a numbered host is none."""
_PERSONAL = re.compile(
    r"phone|street|address_?(?:line)?1|zip_?code|^label$|last_?name", re.IGNORECASE
)
_NO_LOG = re.compile(r"\d{20}\.log")
"""Segments of Kafka's own."""


def leaks(folder: Path, secrets: Iterable[str]) -> list[str]:
    """Where a log under ``folder`` holds one of ``secrets`` or an e-mail address: file and line."""
    wanted = re.compile("|".join([_ADDRESS.pattern, *map(re.escape, sorted(secrets))]))
    return [
        f"{path}:{number}"
        for path in sorted(folder.rglob("*.log"))
        if path.is_file() and not _NO_LOG.fullmatch(path.name)
        for number, text in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if wanted.search(text)
    ]


def secrets_of(folder: Path) -> set[str]:
    """What no log may hold: every shops file's secrets, passwords, keys, people of the examples."""
    found = {senders.TOKEN, example_files.CONTACT_KEY.decode(), "the key of the tests"}
    for path in folder.rglob("shops*.toml"):
        try:
            read = shops.load(path)
        except (shops.ShopsError, UnicodeDecodeError):
            continue  # broken on purpose, by a test of shops files
        told = [secret for shop in read.values() for secret in shop.secrets]
        found.update(secret for secret in told if not secret.startswith(("env:", "file:")))
    for path in folder.rglob("passwords.json"):
        found.update(json.loads(path.read_text()).values())
    found.update(path.read_text().strip() for path in folder.rglob("contact_key"))
    for example in example_files.examples():
        if example.path.suffix == ".json":
            people = _people(json.loads(example.body))
            found.update(each for each in people if " " in each or len(each) > LONGEST_NUMBER)
    return {each for each in found if len(each) >= SHORTEST}


def _people(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from _people(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and _PERSONAL.search(key):
                yield inner
            yield from _people(inner)
