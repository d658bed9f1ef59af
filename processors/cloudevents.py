"""Canonical events as CloudEvents 1.0, in the binary content mode of the Kafka binding.

The value is unchanged. Attributes are ``ce_`` headers in UTF-8, and ``content-type`` is
``datacontenttype``.
"""

from datetime import UTC, datetime
from functools import lru_cache

from schemas.envelopes import Headers
from schemas.events import Meta
from schemas.topics import Topic

_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/avro")


def headers(topic: Topic, meta: Meta) -> Headers:
    """The CloudEvents attributes of an event of this topic."""
    second, micros = divmod(meta.occurred_at, 1_000_000)
    return [
        _SPECVERSION,
        ("ce_id", meta.event_id.encode()),
        ("ce_source", f"{meta.source}/{meta.shop}".encode()),
        ("ce_type", _type(topic.name, meta.change)),
        ("ce_subject", meta.entity.encode()),
        ("ce_time", b"%s.%06dZ" % (_second(second), micros)),
        _CONTENT_TYPE,
    ]


@lru_cache(maxsize=256)
def _type(topic: str, change: str) -> bytes:
    return f"{topic}.{change.lower()}".encode()


@lru_cache(maxsize=4096)
def _second(second: int) -> bytes:
    """The time in RFC 3339, to the second and without the zone."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
