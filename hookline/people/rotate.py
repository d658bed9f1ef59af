"""Gives every address the hash of another contact key: first on the ledger, then in the tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.people import erase
from hookline.people.find import contacts_session, read_ledger
from hookline.people.person import Session
from hookline.stack_address import StackAddress
from processors.sources.readers.contact import email_hash
from runtime import contact_key, erasures
from runtime.contact_key import fingerprint
from runtime.settings import Settings
from schemas.json_records.erasures import Entry, Rotation

_ADDRESSES = "SELECT DISTINCT email FROM customer_contacts WHERE email IS NOT NULL"
_BATCH = 1000
"""Entries that are acknowledged together."""


def check(settings: Settings, recorded: str | None) -> str:
    """Return ``recorded``, the fingerprint of the log's key, if the two keys can be rotated.

    That of the new key is accepted: an earlier run recorded it. Raises CommandError, SettingsError.
    """
    if not settings.contact_key_before:
        raise CommandError(
            "HOOKLINE_CONTACT_KEY_BEFORE is not set: give it the key in force, and"
            " HOOKLINE_CONTACT_KEY the new one"
        )
    settings.require_contact_key()
    before, new = fingerprint(settings.contact_key_before), fingerprint(settings.contact_key)
    if recorded is None:
        raise CommandError("no key is in force yet: start the processors with the new one")
    if recorded not in (before, new):
        raise CommandError(
            f"HOOKLINE_CONTACT_KEY_BEFORE has the fingerprint {before}, but the key in force is"
            f" {recorded}: `hookline doctor` shows it"
        )
    return recorded


def rotations(contacts: Session, settings: Settings, at: int) -> list[Rotation]:
    """Return the entries for all addresses in ``customer_contacts``. ``at``: microseconds."""
    rows = contacts.execute(_ADDRESSES).fetchall()
    return of_addresses((email for (email,) in rows), settings, at)


def of_addresses(addresses: Iterable[str], settings: Settings, at: int) -> list[Rotation]:
    """Return an entry for each address: its hash by the key before, and by the new one."""
    old, new = settings.contact_key_before.encode(), settings.contact_key.encode()
    found: dict[str, Rotation] = {}
    for address in addresses:
        before, hashed = email_hash(address, old), email_hash(address, new)
        if before is not None and hashed is not None:
            found[before] = Rotation(before=before, hashed=hashed, at=at)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """What `rotate-key` would do. ``recorded``: the fingerprint of the log's key."""

    recorded: str
    entries: list[Rotation]
    written: list[Entry]


async def plan(stack: StackAddress) -> Plan:
    """Read all addresses; change nothing. Raises CommandError, SettingsError."""
    settings = stack.settings
    recorded = check(settings, await contact_key.recorded(settings))
    with contacts_session(stack) as contacts:
        entries = rotations(contacts, settings, erase.microseconds())
    return Plan(recorded, entries, erase.new_ones(entries, await read_ledger(settings)))


async def carry_out(stack: StackAddress, planned: Plan, progress: Progress) -> dict[str, Any]:
    """Rotate the key; return what was done. Raises CommandError where the sinks do not go on."""
    settings, written = stack.settings, planned.written
    for first in range(0, len(written), _BATCH):
        await erasures.record(settings, written[first : first + _BATCH])
        progress("writing the ledger", min(first + _BATCH, len(written)), len(written))
    ours = fingerprint(settings.contact_key)
    if planned.recorded != ours:
        await contact_key.replace(settings, planned.recorded)
    return {
        "addresses": len(planned.entries),
        "written": len(written),
        "fingerprint": ours,
        "changed": await erase.wait_applied(settings, planned.entries, progress),
        "both_keys_until": erase.gone_by(erase.now()),
    }
