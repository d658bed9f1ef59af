"""The ledger of erasures on hookline.erasures, as JSON: whose events get another name.

The topic is compacted and kept for ever; it holds keyed hashes and customer keys, no address. What
is on it is applied to every event, new or read again: a rebuild brings nobody back.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import structs

from schemas.events import Contact, Customer, CustomerContact, Event, Micros
from schemas.keys import entity_key

PSEUDONYM = "erased-"
"""Begins what replaces an erased person's hash; random hex digits follow."""


def is_pseudonym(hashed: str | None) -> bool:
    """Return whether what replaces a hash is of an erased person."""
    return hashed is not None and hashed.startswith(PSEUDONYM)


class Span(msgspec.Struct, frozen=True, array_like=True):
    """An erasure: events received before ``allowed_at`` get ``pseudonym``, all if None.

    Times in microseconds, on the operator's clock.
    """

    pseudonym: str
    erased_at: Micros
    allowed_at: Micros | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True, tag="erasure"):
    """A person who was erased, by one keyed hash or one customer key (``subject``).

    ``spans``: oldest first; only the last can be open. All subjects of one person have the same
    pseudonyms. ``because``: the operator's reason.
    """

    subject: str
    spans: tuple[Span, ...]
    because: str = ""

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"erasure/{self.subject}".encode()

    @property
    def is_open(self) -> bool:
        """Whether events that come now are erased too."""
        return bool(self.spans) and self.spans[-1].allowed_at is None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, tag="rotation"):
    """One address under two contact keys: what was hashed as ``before`` is ``hashed`` now."""

    before: str
    hashed: str
    at: Micros

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"rotation/{self.before}".encode()


Entry = Erasure | Rotation

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """Return the record's value."""
    return _encoder.encode(entry)


def decode_or_none(value: bytes | None) -> Entry | None:
    """Return the entry in a record's value; None for a kind or a record that is not known.

    Nor for one that names nobody, or that no table can hold: sinks would end with each start.
    """
    try:
        entry = _decoder.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    named: tuple[str, ...]
    if isinstance(entry, Rotation):
        named, text = (entry.before, entry.hashed), ""
    else:
        named, text = (entry.subject, *(span.pseudonym for span in entry.spans)), entry.because
    return entry if all(named) and "\0" not in "".join((*named, text)) else None


class Ledger:
    """All entries, the newest of each subject. False while it is empty.

    ``named``: the hashes and native customer ids, one of which an event has that an entry concerns.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.erasures: dict[str, Erasure] = {}
        self.rotations: dict[str, str] = {}
        self._before: dict[str, list[str]] = {}
        self.named: set[str] = set()
        for entry in entries:
            self.add(entry)

    def __bool__(self) -> bool:
        return bool(self.erasures or self.rotations)

    def add(self, entry: Entry) -> None:
        """Add an entry; it replaces an earlier one of its subject."""
        if isinstance(entry, Rotation):
            if self.newest_hash(entry.hashed) == entry.before:  # a change back, over any keys
                self.rotations.pop(entry.hashed, None)
            self.rotations[entry.before] = entry.hashed
            before = self._before.setdefault(entry.hashed, [])
            if entry.before not in before:
                before.append(entry.before)
            self.named |= {entry.before, entry.hashed}
        else:
            self.erasures[entry.subject] = entry
            self.named |= {entry.subject, entry.subject.partition(":")[2]} - {""}

    def newest_hash(self, hashed: str) -> str:
        """Return what an address that was once hashed so is hashed as now."""
        seen = {hashed}
        while (newer := self.rotations.get(hashed)) is not None and newer not in seen:
            seen.add(newer)
            hashed = newer
        return hashed

    def hashes_of(self, hashed: str) -> list[str]:
        """Return all hashes that the address had under any key, the newest first."""
        found = [self.newest_hash(hashed)]
        if found[0] in self._before:
            for each in found:  # it grows meanwhile
                found += [older for older in self._before.get(each, ()) if older not in found]
        return found

    def pseudonym(self, received_at: Micros, *subjects: str | None) -> str | None:
        """Return the pseudonym of an event received then; None where no subject is erased."""
        for subject in subjects:
            if subject is not None and (erasure := self.erasures.get(subject)) is not None:
                for span in erasure.spans:
                    if span.allowed_at is None or received_at < span.allowed_at:
                        return span.pseudonym
        return None

    def name_of(self, received_at: Micros, hashed: str | None, customer: str | None) -> str | None:
        """Return what replaces a hash: a pseudonym, the newest hash, or itself.

        A person erased under one hash is so under every other hash of the same address.
        """
        if hashed is None or is_pseudonym(hashed):
            return hashed
        hashes = self.hashes_of(hashed)
        return self.pseudonym(received_at, *reversed(hashes), customer) or hashes[0]

    def applied(self, event: Event) -> Event | None:
        """Return an event as it is to be read now; None for contact data of an erased person.

        An event that gives no hash of its customer gets none.
        """
        meta = event.meta
        at, source, shop = meta.received_at, meta.source, meta.shop
        if isinstance(event, CustomerContact):
            customer = entity_key(source, shop, "customer", event.customer_id)
            name = self.name_of(at, event.email_hash, customer)
            if is_pseudonym(name) or self.pseudonym(at, customer) is not None:
                return None
            return event if name == event.email_hash else structs.replace(event, email_hash=name)
        if isinstance(event, Customer):
            customer = entity_key(source, shop, "customer", event.customer_id)
            name = self.name_of(at, event.email_hash, customer)
            changes: dict[str, Any] = {} if name == event.email_hash else {"email_hash": name}
            if event.contact is not None and (
                is_pseudonym(name) or self.pseudonym(at, customer) is not None
            ):
                changes["contact"] = None  # of adapters before contact data had its own topic
            return structs.replace(event, **changes) if changes else event
        if (reference := event.customer) is None or reference.email_hash is None:
            return event
        native = reference.customer_id
        customer_key = None if native is None else entity_key(source, shop, "customer", native)
        name = self.name_of(at, reference.email_hash, customer_key)
        if name == reference.email_hash:
            return event
        return structs.replace(event, customer=structs.replace(reference, email_hash=name))

    def applied_to_slots(
        self, slots: dict[str, Event], *, keeps_slots: bool = False
    ) -> dict[str, Event]:
        """Return the events of one delivery as they stand now, by slot, without contact data.

        Contact data of a person whom another event of the delivery shows to be erased goes too.
        ``keeps_slots``: such an event stays, with nothing in it.
        """
        if not self._concerns(slots):
            return slots  # nearly all
        made = {slot: self.applied(event) for slot, event in slots.items()}
        is_erased = any(event is None or is_pseudonym(_hash_of(event)) for event in made.values())
        found: dict[str, Event] = {}
        for slot, event in slots.items():
            if is_erased and isinstance(event, CustomerContact):
                if keeps_slots:
                    found[slot] = structs.replace(event, contact=Contact(), email_hash=None)
            elif (now := made[slot]) is not None:
                found[slot] = now
        return found

    def _concerns(self, slots: dict[str, Event]) -> bool:
        """Whether an entry may concern one of the events: cheap, for it is asked of each."""
        named = self.named
        for event in slots.values():
            holder = event if isinstance(event, Customer | CustomerContact) else event.customer
            if holder is not None and (holder.email_hash in named or holder.customer_id in named):
                return True
        return False


NOBODY = Ledger()
"""The ledger in which nobody is erased; never added to."""


def _hash_of(event: Event) -> str | None:
    holder = event if isinstance(event, Customer | CustomerContact) else event.customer
    return None if holder is None else holder.email_hash
