"""One dead letter as pages show it: its headers, its body masked and lit, a replay tried."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from hookline.console.counts import counted
from hookline.console.errors import CommandError
from hookline.dead_letters.letters import (
    DeadLetter,
    LetterFilter,
    LetterId,
    matching,
    require_found,
)
from hookline.dead_letters.listing import as_dict
from hookline.dead_letters.marks import Mark
from hookline.refusals.broken_body import BrokenBody, broken_body, failing_byte
from hookline.refusals.failing_value import with_failing_value
from hookline.refusals.lit_body import LitBody, lit
from hookline.refusals.preview import Preview, preview
from hookline.refusals.reasons import explained
from hookline.shops import masked_body
from hookline.tables.queries import connected
from processors.parse import inflated_body, raw_of
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Reject
from schemas.raw_delivery import RawDelivery
from schemas.shops import ShopsError, load
from schemas.topics import DEAD_LETTERS


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """A letter. ``body``: its document, masked but for the failing value, where that may be shown.

    Where it is no document, ``body`` is a sentence and ``broken`` the place where it breaks.
    ``preview`` is None where the shops file cannot be read here; ``note`` is the reason.
    """

    fields: dict[str, Any]
    headers: dict[str, str]
    body: Any
    lit: LitBody
    broken: BrokenBody | None
    meaning: str
    remedy: str
    preview: Preview | None
    note: str | None = None


async def letter_records(
    settings: Settings, ids: frozenset[LetterId]
) -> list[tuple[Any, Any, Any]]:
    """Return letters with their marks and records. Raises CommandError where one is not there."""
    found: list[tuple[Any, Any, Any]] = []
    choice = LetterFilter(ids=ids)
    async with connected(settings, "dead") as connection, log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[DEAD_LETTERS]
        known = [each async for each in matching(client, connection, partitions, choice)]
        require_found(choice, {letter.id for letter, _ in known})
        for letter, mark in known:
            tp = partitions[letter.partition]
            record = await log_reader.first_record(client, tp, letter.offset)
            if record is None:
                raise CommandError(f"the topic has no letter {letter.name} any more")
            found.append((letter, mark, record))
    return found


async def previews(settings: Settings, ids: frozenset[LetterId]) -> dict[str, Preview]:
    """Return what replays of letters would give, by name. Raises CommandError, ShopsError."""
    shops = load(Path(settings.shops_file), needs_secrets=False)
    return {
        letter.name: preview(record, shops, settings.contact_key)
        for letter, _, record in await letter_records(settings, ids)
    }


async def letter_detail(settings: Settings, letter_id: LetterId) -> LetterDetail:
    """Return one letter for a page. Raises CommandError where it is not there."""
    [(letter, mark, record)] = await letter_records(settings, frozenset({letter_id}))
    return described(settings, letter, mark, record)


def described(
    settings: Settings, letter: DeadLetter, mark: Mark | None, record: Any
) -> LetterDetail:
    """Return a letter with what its record holds, whoever wrote the record."""
    fields = masked_fields(as_dict(letter, mark))
    document, broken = _body(raw_of(record), letter.path)
    meaning, remedy = explained(letter.reason)
    would, note = _preview(settings, record)
    return LetterDetail(
        fields,
        _headers(record.headers),
        document,
        lit(document, letter.path),
        broken,
        meaning,
        remedy,
        would,
        note,
    )


def _body(raw: RawDelivery, path: str) -> tuple[Any, BrokenBody | None]:
    """Return the masked document of a body and None; a sentence and where it breaks otherwise."""
    body = inflated_body(raw)
    if isinstance(body, Reject):
        return f"[{counted(len(raw.body), 'byte')}: {body.reason}]", None
    document = masked_body.parsed(body)
    if not isinstance(document, Reject):
        masked = masked_body.masked_document(document)
        return with_failing_value(masked, document, path), None
    at = failing_byte(path)
    if at is None:  # refused for something else before its body was read
        at = failing_byte(document.path)
    sentence = f"[{counted(len(body), 'byte')}: {document.reason}]"
    return sentence, None if at is None else broken_body(body, at)


def _preview(settings: Settings, record: Any) -> tuple[Preview | None, str | None]:
    try:
        shops = load(Path(settings.shops_file), needs_secrets=False)
    except ShopsError as error:
        return None, str(error)
    return preview(record, shops, settings.contact_key), None


def masked_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a letter's fields without addresses and numbers of persons that a sender wrote."""
    masked = {name: masked_body.without_addresses(fields[name]) for name in _FIELDS}
    return {**fields, **masked, "entity": masked_body.without_personal_id(fields["entity"])}


def _headers(headers: Any) -> dict[str, str]:
    """Return the headers as texts: of the query the names alone, no address in any."""
    shown: dict[str, str] = {}
    for name, value in headers:
        if name == envelopes.QUERY:
            query = masked_body.masked_document(dict(parse_qsl((value or b"").decode("latin-1"))))
            text = "&".join(f"{key}={each}" for key, each in query.items())
        elif name == envelopes.ENTITY:
            text = masked_body.without_personal_id(_text(value))
        else:
            text = _text(value)
        shown[name] = masked_body.without_addresses(text) if _is_senders(name) else text
    return shown


_FIELDS = ("event", "detail")
_SENDERS = frozenset(
    {envelopes.DETAIL, envelopes.EVENT, envelopes.SHOP_HEADER, envelopes.CONTENT_TYPE}
)
"""Headers that may hold what a sender wrote; those for Kafka Connect repeat the detail."""


def _is_senders(name: str) -> bool:
    return name in _SENDERS or name.startswith(envelopes.CONNECT)


def _text(value: bytes | None) -> str:
    if value is None:
        return ""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
