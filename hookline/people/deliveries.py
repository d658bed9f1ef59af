"""Deliveries that hold a person, dead letters among them: found, and discarded."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka import TopicPartition

from hookline.console.output import Progress
from hookline.dead_letters import marks
from hookline.dead_letters.letters import DeadLetter, parse_letter
from hookline.people.person import Person
from hookline.people.search import Search
from hookline.people.topic_scan import Seen, read_topics
from hookline.tables.queries import connected
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import DEAD_LETTERS

BECAUSE = "erased"
_SHORTEST_ID = 6
"""Characters of an id that is no other number by chance."""


@dataclass(slots=True)
class Letters:
    """Open dead letters that hold a person, by partition."""

    by_partition: dict[int, list[DeadLetter]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(map(len, self.by_partition.values()))

    @property
    def names(self) -> list[str]:
        """Their names, as commands take them."""
        return [each.name for letters in self.by_partition.values() for each in letters]


async def open_letters(
    settings: Settings, person: Person, search: Search, progress: Progress
) -> Letters:
    """Find the open dead letters that hold the person."""
    found = Letters()
    async for seen in read_topics(settings, [DEAD_LETTERS], "reading dead letters", progress):
        if holds(seen, person, search) and (letter := parse_letter(seen.record)) is not None:
            found.by_partition.setdefault(letter.partition, []).append(letter)
    async with connected(settings, "people") as connection:
        for number, letters in found.by_partition.items():
            tp = TopicPartition(settings.topic(DEAD_LETTERS), number)
            marked = await marks.read(connection, tp, [each.offset for each in letters])
            found.by_partition[number] = [
                each
                for each in letters
                if (mark := marked.get(each.offset)) is None or mark.delivery_id != each.delivery_id
            ]
    return found


async def discard(settings: Settings, letters: Letters) -> None:
    """Mark the letters as discarded."""
    async with connected(settings, "people") as connection:
        for number, some in letters.by_partition.items():
            tp = TopicPartition(settings.topic(DEAD_LETTERS), number)
            await marks.write(connection, tp, some, marks.DISCARDED, BECAUSE)


def holds(seen: Seen, person: Person, search: Search) -> bool:
    """Whether a delivery holds the person: by anything known, or by the id in the own shop."""
    if search.in_texts(seen.texts):
        return True
    headers = seen.headers
    shop = f"{headers.get(envelopes.SOURCE, '')}/{headers.get(envelopes.SHOP, '')}/customer:"
    ids = [key.removeprefix(shop) for key in person.customers if key.startswith(shop)]
    return bool(ids) and names_id(seen.body, headers.get(envelopes.EVENT, ""), ids)


def names_id(body: bytes, event: str, ids: Collection[str]) -> bool:
    """Whether a body names a customer by one of these ids.

    A short id may be any number, so it counts where a field of a customer has it.
    """
    text = body.decode(errors="replace")
    wanted = [each for each in ids if each in text]
    if not wanted:
        return False
    if any(
        len(each) >= _SHORTEST_ID and re.search(rf"(?<![\w.-]){re.escape(each)}(?![\w-])", text)
        for each in wanted
    ):
        return True
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        one_of = "|".join(map(re.escape, wanted))
        field_ = rf"customer[-_]?(?:id)?\W{{1,12}}(?:id\W{{1,12}})?(?:{one_of})(?![\w-])"
        return re.search(field_, text, re.IGNORECASE) is not None
    return _names(document, set(wanted), is_customer="customer" in event.lower(), depth=0)


def _names(value: Any, ids: set[str], *, is_customer: bool, depth: int) -> bool:
    """Whether ``id`` of a customer's object, or a field called customer id, is one of ``ids``."""
    if isinstance(value, list):
        return any(_names(each, ids, is_customer=is_customer, depth=depth) for each in value)
    if not isinstance(value, dict):
        return False
    for name, inner in value.items():
        plain = re.sub(r"[^a-z]", "", name.lower())
        is_id = (plain == "id" and is_customer) or "customerid" in plain or plain == "customer"
        if is_id and isinstance(inner, str | int | float) and str(inner) in ids:
            return True
        if isinstance(inner, dict | list):
            # An envelope (data) holds the entity of the event; other objects have their own ids.
            own = "customer" in plain or (is_customer and depth == 0 and plain in _ENVELOPES)
            if _names(inner, ids, is_customer=own, depth=depth + 1):
                return True
    return False


_ENVELOPES = ("data", "payload", "object", "record", "resource")
