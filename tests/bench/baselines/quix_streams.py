"""Quix Streams with its state: at least once, dedupe in its RocksDB store.

The store's history comes as it would on a new machine: from its changelog, before the first record.

python -m tests.bench.baselines.quix_streams ENTRIES
"""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from quixstreams import Application, State, message_context
from quixstreams.models import TopicAdmin, TopicManager
from quixstreams.state.metadata import CHANGELOG_CF_MESSAGE_HEADER, SEPARATOR
from quixstreams.utils.json import dumps

from processors.dedupe import DIGEST_BYTES
from runtime.settings import Settings, from_env
from schemas.envelopes import Headers
from schemas.raw_delivery import RawDelivery
from schemas.topics import CARTS, WEBHOOKS
from tests.bench.baselines.work import Work
from tests.bench.bodies import settled_raws


def application(settings: Settings, work: Work, entries: int) -> Application:
    """The application with its one pipeline, and ``entries`` in its store's changelog."""
    group = f"{settings.prefix}quix"
    topics = TopicManager(TopicAdmin(settings.brokers), group)
    app = Application(
        broker_address=settings.brokers,
        consumer_group=group,
        topic_manager=topics,
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

    [changelog] = topics.changelog_topics_list
    with app.get_producer() as producer:
        for number in range(settings.partitions):
            for key, value in history(number, entries // settings.partitions):
                producer.produce(
                    changelog.name,
                    key=key,
                    value=value,
                    headers={CHANGELOG_CF_MESSAGE_HEADER: "default"},
                    partition=number,
                )
    return app


def history(number: int, entries: int) -> Iterator[tuple[bytes, bytes]]:
    """What the store writes for that many earlier deliveries of a partition."""
    for offset, (key, _, _) in enumerate(settled_raws(entries)):
        digest = hashlib.blake2b(b"%d/%d" % (number, offset), digest_size=DIGEST_BYTES)
        yield key + SEPARATOR + dumps(digest.hexdigest()), dumps(offset)


if __name__ == "__main__":
    found = from_env()
    application(found, Work.of(found), int(sys.argv[1])).run()
