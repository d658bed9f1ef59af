"""Operators' decisions on hookline.decisions, as JSON: read by workers, kept for ever."""

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


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AcceptedLoss)


def key(decision: AcceptedLoss) -> bytes:
    """Return the record's key."""
    return f"accepted-loss/{decision.partition}".encode()


def encode(decision: AcceptedLoss) -> bytes:
    """Return the record's value."""
    return _encoder.encode(decision)


def decode(value: bytes) -> AcceptedLoss:
    """Return the decision in a record's value. Raises msgspec.MsgspecError for anything else."""
    return _decoder.decode(value)
