"""The contact key of a log: recorded once by its fingerprint, compared by whoever hashes with it.

Two keys would give one address two hashes, and the tables two persons. So the fingerprint is
recorded on hookline.decisions, which is never trimmed: a worker on a new machine finds it there.
"""

import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from aiokafka.errors import KafkaError

from runtime import logs
from runtime.health import Health, wait_until
from runtime.kafka import operator_decisions
from runtime.settings import Settings
from schemas.json_records.decisions import ContactKey, Decision, key_in_force, keys_in_force
from schemas.topics import OUTCOME_RETENTION, SEGMENT

log = logs.get("hookline.contact_key")

_CONSTANT = b"hookline contact key v1"
_FINGERPRINT_BYTES = 8


class AnotherKeyError(RuntimeError):
    """HOOKLINE_CONTACT_KEY, or the one before it, is no key of this log; the message has more."""


def fingerprint(key: str) -> str:
    """Return 16 hex digits that identify a key and give nothing of it away."""
    digest = hmac.digest(key.encode(), _CONSTANT, hashlib.sha256)
    return digest[:_FINGERPRINT_BYTES].hex()


async def recorded(settings: Settings) -> str | None:
    """Read the fingerprint of the log's key; None where none is recorded. Raises KafkaError."""
    return key_in_force(await operator_decisions.read_all(settings))


async def claim(settings: Settings, health: Health | None = None) -> str:
    """Return the fingerprint of our key, recorded as this log's where none was.

    With ``health`` Kafka is waited for and shown there; without it KafkaError is raised. Raises
    AnotherKeyError.
    """
    if health is None:
        return await _claim(settings)
    return await wait_until(
        health,
        "contact key",
        lambda: _claim(settings),
        (KafkaError, OSError),
        lambda error: f"the contact key's fingerprint cannot be read or recorded: {error}",
        longest_pause=2.0,
    )


async def _claim(settings: Settings) -> str:
    ours = fingerprint(settings.contact_key)
    decisions = await operator_decisions.read_all(settings)
    if not keys_in_force(decisions):
        await replace(settings, None)
        log.info("contact key recorded", fingerprint=ours)
        # Read again: of two that record at once, the first in the log counts.
        decisions = await operator_decisions.read_all(settings)
    keys = keys_in_force(decisions)
    if settings.contact_key_before:
        check_rotation(settings.contact_key, settings.contact_key_before, keys)
    check(settings.contact_key, keys[-1], keys[:-1])
    if (why := missing_before(settings, decisions)) is not None:
        log.warning(why)
    log.info("contact key", fingerprint=ours)
    return ours


def missing_before(settings: Settings, decisions: Iterable[Decision]) -> str | None:
    """Return why the key before is needed, where it is not set; None where it is not needed."""
    changes = [each for each in decisions if isinstance(each, ContactKey)]
    if settings.contact_key_before or not changes or changes[-1].replaces is None:
        return None
    until = datetime.fromtimestamp(changes[-1].at / 1e6, UTC) + OUTCOME_RETENTION + SEGMENT
    if until < datetime.now(UTC):
        return None
    return (
        f"the contact key was changed: until {until:%Y-%m-%d} set the key before it, fingerprint"
        f" {changes[-1].replaces}, as HOOKLINE_CONTACT_KEY_BEFORE for the processors, unless it is"
        " lost: without it guests become new persons, and erased ones are not recognised"
    )


def check_rotation(key: str, before: str, keys: Sequence[str]) -> None:
    """Raise AnotherKeyError unless ``key`` was recorded as what replaces ``before``.

    ``keys``: fingerprints of all keys that were in force, in order.
    """
    ours, earlier = fingerprint(key), fingerprint(before)
    if keys and keys[-1] == earlier:
        raise AnotherKeyError(
            f"HOOKLINE_CONTACT_KEY has the fingerprint {ours}, but the key in force is still"
            f" {earlier}, that of HOOKLINE_CONTACT_KEY_BEFORE: run `hookline people rotate-key`"
            " with both keys set, which records the new one, and start the processors after it"
        )
    if earlier not in keys:
        raise AnotherKeyError(
            f"HOOKLINE_CONTACT_KEY_BEFORE has the fingerprint {earlier}, which was never the key"
            " of this log: set the key that HOOKLINE_CONTACT_KEY replaced, or unset it"
        )


async def replace(settings: Settings, replaced: str | None) -> None:
    """Record our key as the one that replaces ``replaced``. Raises KafkaError."""
    decision = ContactKey(
        fingerprint=fingerprint(settings.contact_key),
        replaces=replaced,
        at=time.time_ns() // 1000,
    )
    await operator_decisions.record(settings, decision)


def check(key: str, found: str | None, earlier: Sequence[str] = ()) -> None:
    """Raise AnotherKeyError unless ``found``, the recorded fingerprint, is of this key.

    ``earlier``: fingerprints of the log's keys before it.
    """
    ours = fingerprint(key)
    if found == ours:
        return
    if ours in earlier:
        raise AnotherKeyError(
            f"HOOKLINE_CONTACT_KEY has the fingerprint {ours}, a key of this log that {found} has"
            " replaced: set the new key as HOOKLINE_CONTACT_KEY, and this one as"
            " HOOKLINE_CONTACT_KEY_BEFORE"
        )
    bare = key.rstrip("\r\n")
    hint = ""
    if fingerprint(bare) == found:
        hint = " (the same key without the line break at its end)"
    elif fingerprint(f"{bare}\n") == found:
        hint = " (the same key with a line break at its end)"
    raise AnotherKeyError(
        f"HOOKLINE_CONTACT_KEY has the fingerprint {ours}, but this log was written with the key"
        f" {found}{hint}: restore that key, because with another one the same e-mail address gets"
        " another hash and known customers become new persons; if the key is lost, stop all"
        f" processors and accept that with `hookline accept-key --instead-of {found}`"
    )
