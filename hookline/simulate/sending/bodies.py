"""Writes what the shops know as files, as their platforms would export it."""

from collections.abc import Callable
from dataclasses import replace
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hookline.console.errors import CommandError
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import Fact, Step, entity_key

WITHHELD = "withheld.jsonl"
_encode = msgspec.json.encode


class BodyFiles:
    """A folder with one file of JSON Lines for each shop, and a list of what was never sent.

    Each line is an object as the platform sends it, withheld ones included; a shop that sends XML
    exports JSON too. Raises CommandError for a folder that holds anything.
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
        self._files: dict[str, BufferedWriter] = {}
        self.lines = 0

    def __enter__(self) -> Self:
        self._open(WITHHELD)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()

    def add(self, step: Step, payload: Payload, is_withheld: bool) -> None:
        """Write the object of a step."""
        fact = step.fact
        shop = fact.shop
        if not payload.content_type.endswith("json"):
            payload = self._render(replace(fact, shop=replace(shop, format="json"))) or payload
        file = self._open(f"{shop.source}-{shop.id}.jsonl")
        file.write(b" ".join(payload.body.splitlines()) + b"\n")
        self.lines += 1
        if is_withheld:
            key, kind, number = entity_key(fact)
            line = {"shop": key, "entity": f"{kind}:{number}", "event": payload.event}
            self._open(WITHHELD).write(_encode({**line, "due": step.due}) + b"\n")

    def _open(self, name: str) -> BufferedWriter:
        if name not in self._files:
            self._files[name] = (self._folder / name).open("wb")
        return self._files[name]
