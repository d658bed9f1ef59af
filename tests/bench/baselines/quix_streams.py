"""Quix Streams with its state: at least once, dedupe in its RocksDB store, which starts empty.

python -m tests.bench.baselines.quix_streams
"""

import tempfile
from typing import Any

from quixstreams import Application, State, message_context

from runtime.settings import Settings, from_env
from schemas.envelopes import Headers, RawDelivery
from schemas.topics import CARTS, WEBHOOKS
from tests.bench.baselines.work import Work


def application(settings: Settings, work: Work) -> Application:
    """The application with its one pipeline."""
    app = Application(
        broker_address=settings.brokers,
        consumer_group=f"{settings.prefix}quix",
        auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(),
        auto_create_topics=True,  # its changelog
        producer_extra_config={"acks": "all", "enable.idempotence": True},
        consumer_extra_config={
            "session.timeout.ms": int(settings.session_timeout * 1000),
            "max.poll.interval.ms": int(settings.session_timeout * 1000),
        },
        loglevel="WARNING",
    )
    arriving = app.topic(
        settings.topic(WEBHOOKS), value_deserializer="bytes", key_deserializer="bytes"
    )
    canonical = app.topic(settings.topic(CARTS), value_serializer="bytes", key_serializer="bytes")
    kept: list[Headers] = [[]]

    def transform(
        value: bytes, key: bytes, timestamp: int, headers: Any, state: State[str, int]
    ) -> Any:
        place = message_context()
        raw = RawDelivery.of(place.partition, place.offset, timestamp, key, value, headers)
        read = work.read(raw)
        name = read.digest.hex()
        if state.get(name) is not None:
            return None
        state.set(name, place.offset)
        _, made, kept[0] = work.made(read)
        return made

    pipeline = app.dataframe(arriving)
    pipeline = pipeline.apply(transform, stateful=True, metadata=True)
    pipeline = pipeline.filter(lambda made: made is not None)
    pipeline = pipeline.set_headers(lambda *_: kept[0])
    pipeline.to_topic(canonical)
    return app


if __name__ == "__main__":
    found = from_env()
    application(found, Work.of(found)).run()
