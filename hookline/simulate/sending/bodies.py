"""Writes what the shops know as files, as their platforms would export it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from hookline.console.errors import CommandError
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import Change, Fact, Step, entity_key

WITHHELD = "withheld.jsonl"
_UNNAMED_DELETIONS = ("spiffy", "ciklik")
"""Where the body of a deletion does not show that it is one: the request names it."""
_encode = msgspec.json.encode
Object = tuple[str, int | str, str]
"""(kind, number, what it is of where a platform has several objects of that number)."""


@dataclass(slots=True)
class _List:
    """A file of all states, in the order of the changes; ``newest``: where each object's is."""

    path: Path
    file: BufferedRandom
    newest: dict[Object, tuple[int, int]] = field(default_factory=dict)

    def add(self, key: Object, line: bytes) -> None:
        self.newest[key] = self.file.tell(), len(line)
        self.file.write(line)

    def close(self) -> None:
        """Keep the newest states alone."""
        new = self.path.with_name(self.path.name + ".new")
        with new.open("wb") as file:
            for at, size in sorted(self.newest.values()):
                self.file.seek(at)
                file.write(self.file.read(size))
        self.file.close()
        new.replace(self.path)


class BodyFiles:
    """A folder with a list for each shop, and with one of what was never sent.

    A shop's list holds each object once, as it is at the run's end, withheld or not, in JSON also
    where the shop sends XML. Deletions that do not name what they delete are in a list of their
    own, by event. Raises CommandError for a folder that holds anything.
    """

    def __init__(self, folder: Path, render: Callable[[Fact], Payload | None]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_empty = not any(folder.iterdir())
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror}") from error
        if not is_empty:
            raise CommandError(f"{folder} is not empty: name another folder with --write")
        self._folder, self._render = folder, render
        self._lists: dict[str, _List] = {}
        self._withheld: dict[tuple[str, Object], list[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self._lists.values():
            each.close()
        lines = sorted(
            (line for found in self._withheld.values() for line in found),
            key=lambda line: line["due"],
        )
        (self._folder / WITHHELD).write_bytes(b"".join(_encode(line) + b"\n" for line in lines))

    def add(self, step: Step, payload: Payload, is_withheld: bool) -> None:
        """Write the object of a step."""
        fact = step.fact
        shop = fact.shop
        if not payload.content_type.endswith("json"):
            payload = self._render(replace(fact, shop=replace(shop, format="json"))) or payload
        name, key = f"{shop.source}-{shop.id}", _object(fact, payload)
        if fact.change is Change.DELETED and shop.source in _UNNAMED_DELETIONS:
            self._list(f"{name}.jsonl").newest.pop(key, None)
            name += f".{payload.event.replace('/', '-')}"
        self._list(f"{name}.jsonl").add(key, b" ".join(payload.body.splitlines()) + b"\n")
        for line in self._withheld.get((shop.key, key), ()):
            line["is_newest"] = False
        if is_withheld:
            self._withheld.setdefault((shop.key, key), []).append(
                {
                    "shop": shop.key,
                    "entity": f"{key[0]}:{key[1]}",
                    "event": payload.event,
                    "due": step.due,
                    "is_newest": True,
                }
            )

    def _list(self, name: str) -> _List:
        if name not in self._lists:
            path = self._folder / name
            self._lists[name] = _List(path, path.open("w+b"))
        return self._lists[name]


def _object(fact: Fact, payload: Payload) -> Object:
    """What tells an object from the others of its shop: a Ciklik user's consents are others."""
    _, kind, number = entity_key(fact)
    return kind, number, "optin" if payload.event.endswith("_optin") else ""
