"""Fills bodies up to a size, in what no adapter keeps: a field of JSON, a comment of XML."""

from hookline.simulate.payloads.payload import Payload

_FIELD = b',"simulated_filling":"'
_COMMENT = b"<!-- "


def padded(payload: Payload, size: int) -> Payload:
    """Return the payload with a body of at least ``size`` bytes; the same one if it has them."""
    body = payload.body
    missing = size - len(body)
    if missing <= 0:
        return payload
    if body[-1:] == b"}":
        body = body[:-1] + _FIELD + b"x" * (missing - len(_FIELD) - 1) + b'"}'
    else:
        body += _COMMENT + b"x" * (missing - len(_COMMENT) - 4) + b" -->"
    return Payload(payload.event, body, payload.content_type, payload.query)
