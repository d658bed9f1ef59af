"""Faust as its documentation shows it: an agent, event by event, and a Table for dedupe.

Its sends are not awaited, which is how it is fastest; its table starts empty and stays in
memory.

python -m tests.bench.baselines.stock_faust
"""

import tempfile

import faust

from runtime.settings import Settings, from_env
from schemas.raw_delivery import RawDelivery
from schemas.topics import CARTS, WEBHOOKS
from tests.bench.baselines.work import Work


def application(settings: Settings, work: Work) -> faust.App:
    """The app with its one agent."""
    app = faust.App(
        f"{settings.prefix}stock-faust",
        broker=f"kafka://{settings.brokers}",
        datadir=tempfile.mkdtemp(),
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        broker_session_timeout=settings.session_timeout,
        broker_request_timeout=settings.session_timeout + 30,
        broker_max_poll_interval=settings.session_timeout,
    )
    arriving = app.topic(settings.topic(WEBHOOKS), value_type=bytes, value_serializer="raw")
    canonical = app.topic(settings.topic(CARTS), value_type=bytes, value_serializer="raw")
    seen = app.Table("seen", default=int, partitions=settings.partitions)

    @app.agent(arriving)  # type: ignore[untyped-decorator]
    async def transform(stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            message = event.message
            read = work.read(
                RawDelivery.of(
                    message.partition,
                    message.offset,
                    int(message.timestamp * 1000),
                    message.key,
                    message.value,
                    message.headers,
                )
            )
            name = read.digest.hex()
            if name in seen:
                continue
            seen[name] = message.offset
            key, value, headers = work.made(read)
            await canonical.send(key=key, value=value, headers=dict(headers))

    return app


if __name__ == "__main__":
    found = from_env()
    faust.Worker(application(found, Work.of(found)), loglevel="warning").execute_from_commandline()
