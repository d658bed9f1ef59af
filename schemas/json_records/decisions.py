"""Operators' decisions on hookline.decisions, as JSON: read by workers, kept for ever.

A reader that does not know a kind passes over it, so a kind may be added.
"""

from collections.abc import Iterable

import msgspec


class AcceptedLoss(msgspec.Struct, frozen=True, kw_only=True, tag="accepted-loss"):
    """Raw records that are lost; processing continues without them.

    ``partition`` of the raw topic; the offsets from ``first`` up to ``until`` (excluded);
    ``at`` microseconds on the operator's clock.
    """

    partition: int
    first: int
    until: int
    at: int

    @property
    def count(self) -> int:
        """Number of records given up."""
        return self.until - self.first

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"accepted-loss/{self.partition}".encode()


class ContactKey(msgspec.Struct, frozen=True, kw_only=True, tag="contact-key"):
    """The key of e-mail hashes from here on, by its fingerprint; never the key itself.

    ``replaces``: the fingerprint that it takes over from; None for the first of the log. ``at``:
    microseconds on the writer's clock.
    """

    fingerprint: str
    replaces: str | None = None
    at: int

    @property
    def key(self) -> bytes:
        """The record's key."""
        return b"contact-key"


class AcceptedHorizon(msgspec.Struct, frozen=True, kw_only=True, tag="accepted-horizon"):
    """Outcome logs of a partition that lost records too early; repeats of those may pass.

    ``starts``: the first offset that each log held, by topic on the broker. It covers what was
    lost by then and no later loss. ``at``: microseconds on the operator's clock.
    """

    partition: int
    starts: dict[str, int]
    at: int

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"accepted-horizon/{self.partition}".encode()

    def covers(self, topic: str, partition: int, start: int) -> bool:
        """Whether it accepts that a log begins at ``start``."""
        return partition == self.partition and start <= self.starts.get(topic, -1)


Decision = AcceptedLoss | ContactKey | AcceptedHorizon

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)


def encode(decision: Decision) -> bytes:
    """Return the record's value."""
    return _encoder.encode(decision)


def decode(value: bytes) -> Decision:
    """Return the decision in a record's value. Raises msgspec.MsgspecError for anything else."""
    return _decoder.decode(value)


def decode_or_none(value: bytes | None) -> Decision | None:
    """Return the decision in a record's value; None for a kind or a record that is not known."""
    try:
        return decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def keys_in_force(decisions: Iterable[Decision]) -> list[str]:
    """Return the fingerprints of the contact keys that were ever in force, the last one now.

    ``decisions`` in the order of the log. A change counts only if it replaces the one in force at
    its position: of two that were written at once the first wins, and a repeat changes nothing.
    """
    found: list[str] = []
    for decision in decisions:
        if isinstance(decision, ContactKey) and decision.replaces == (found[-1] if found else None):
            found.append(decision.fingerprint)
    return found


def key_in_force(decisions: Iterable[Decision]) -> str | None:
    """Return the fingerprint of the contact key in force; None before the first."""
    found = keys_in_force(decisions)
    return found[-1] if found else None
