"""The heartbeats of ingress processes on hookline.ingress, as JSON."""

import msgspec


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat of one ingress process.

    ``started`` and ``at`` are microseconds on its own clock; ``accepted`` counts deliveries
    since ``started`` by ``source/shop``; ``in_flight`` is bytes. ``healthy``: Kafka acknowledged
    in time everything that was sent since the last heartbeat.
    """

    ingress: str
    started: int
    at: int
    healthy: bool
    in_flight: int = 0
    accepted: dict[str, int] = msgspec.field(default_factory=dict)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Heartbeat)


def encode(heartbeat: Heartbeat) -> bytes:
    """Return the record's value."""
    return _encoder.encode(heartbeat)


def decode(value: bytes) -> Heartbeat:
    """Return the heartbeat in a record's value. Raises msgspec.MsgspecError for anything else."""
    return _decoder.decode(value)


def decode_or_none(value: bytes | None) -> Heartbeat | None:
    """Return the heartbeat in a record's value; None where another producer wrote the record."""
    try:
        return decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
