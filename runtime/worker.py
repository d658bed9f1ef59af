"""The Faust app of a stage: one agent that receives whole batches; no tables, no web server.

No exception may leave the agent: Faust would restart it after the failed batch, which would then
be skipped. So an error that the stage does not handle ends the process without acknowledging; the
next owner reads back what was appended.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import faust
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust import streams
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import StreamT

from runtime import health as health_server
from runtime import logs
from runtime.consumer.batch_consumer import BatchConsumer
from runtime.consumer.watchdog import Watchdog
from runtime.health import Health, wait_until
from runtime.kafka import partition_counts, topics_admin
from runtime.kafka.reasons import explained, explanation
from runtime.kafka.topic_checks import retention_ms
from runtime.process import memory
from runtime.settings import Settings
from runtime.stage import Stage
from schemas.topics import MIB

log = logs.get("hookline.worker")

EXIT_CRASHED = 70
MAX_POLL_RECORDS = 2000
BUFFERED_BATCHES = 8
FETCH_BYTES = MIB // 2
"""Bytes of a partition per fetch, or one larger record; small enough for the CPU's caches."""
NEVER_IDLE = 10 * 365 * 86400.0
"""Seconds without a fetch until a member leaves; a stage may wait for a service for hours."""


class Transport(driver.Transport):  # type: ignore[misc]
    """aiokafka with the batch consumer."""

    Consumer = BatchConsumer


class WithoutProducer(BootStrategy):  # type: ignore[misc]
    """Starts what consumes only: Faust's producer would end the process where Kafka is away."""

    enable_kafka_producer = False


class PassThroughSchema(faust.Schema):  # type: ignore[misc]
    """Gives the agent the consumer's batch as it is: there is no message to decode."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the key unchanged."""
        return message.key

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the batch unchanged."""
        return message.value


class Worker(faust.App):  # type: ignore[misc]
    """The Faust app of one stage."""

    BootStrategy = WithoutProducer

    def __init__(self, settings: Settings, stage: Stage, health: Health) -> None:
        if streams.NO_CYTHON or streams._CStreamIterator is None:
            raise RuntimeError(
                "Faust's compiled stream iterator is missing: reinstall faust-streaming from"
                " its wheel and unset NO_CYTHON (the Python path acknowledges what it drops)"
            )
        self.settings, self.stage, self.health = settings, stage, health
        self._background: list[asyncio.Task[None]] = []
        super().__init__(
            f"{settings.prefix}{stage.group}",
            broker=[f"kafka://{broker}" for broker in settings.brokers.split(",")],
            broker_credentials=_credentials(settings),
            broker_client_id=f"hookline-{stage.group.rpartition('.')[2]}",
            datadir=str(Path(settings.state_dir) / "faust"),  # stays empty: no tables
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            consumer_auto_offset_reset="none",
            consumer_max_fetch_size=FETCH_BYTES,
            broker_max_poll_records=MAX_POLL_RECORDS,
            stream_buffer_maxsize=BUFFERED_BATCHES,
            stream_wait_empty=True,
            table_standby_replicas=0,  # no tables: partitions go round robin
            broker_request_timeout=settings.session_timeout,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.heartbeat_interval,
            broker_commit_interval=settings.commit_interval,
            broker_max_poll_interval=NEVER_IDLE,
            broker_rebalance_timeout=settings.session_timeout * 3,
        )
        self.transport = Transport(self.conf.broker_consumer, self, loop=self.loop)
        names = [settings.topic(topic) for topic in stage.topics]
        channel = self.topic(*names, schema=PassThroughSchema(key_type=bytes, value_type=bytes))
        self.agent(channel, name="batches")(self._batches)

    async def _batches(self, stream: StreamT[Any]) -> None:
        stream.enable_acks = False  # the compiled iterator would acknowledge by itself
        consumer: BatchConsumer = self.consumer
        queue = stream.channel.queue
        async for fetched in stream:
            delivered = [(stream.current_event.message, fetched)]
            count = len(fetched.records)
            while count < MAX_POLL_RECORDS and not queue.empty():
                event = queue.get_nowait()
                delivered.append((event.message, event.value))
                count += len(event.value.records)
            await consumer.take(delivered)

    async def on_start(self) -> None:
        """Serve the health pages first, then wait for Kafka, then let the stage connect."""
        self.health.waiting("partitions", "joining the group")
        self._spawn(health_server.serve(self.settings, self.health))
        try:
            await wait_for_kafka(self.settings, self.health)
            await topics_admin.check_topics(self.settings, self.health, self.stage.used)
            await self.stage.start(self.settings, self.health)
            await super().on_start()
            self._spawn(self._watch())
            self._spawn(partition_counts.watch(self.settings, self.health))
        except Exception as error:  # noqa: BLE001 - Faust would stop with exit code 0
            self.die("the stage cannot start; exiting", error)

    async def on_stop(self) -> None:
        """Stop the stage once no batch is in flight."""
        if self._consumer is not None:
            self._consumer.stop_assignment()
        await super().on_stop()
        await self.stage.stop()
        for task in self._background:
            task.cancel()

    async def _watch(self) -> None:
        find = partial(topics_admin.find_topics, topics=self.stage.topics)
        topics = await topics_admin.once_kafka_answers(self.settings, self.health, find)
        names = [self.settings.topic(topic) for topic in self.stage.topics]
        retentions = {name: retention_ms(topics[name]) / 1000 for name in names}
        limits = self.settings.stall_timeout, self.conf.broker_rebalance_timeout
        await Watchdog(self.consumer, *limits, retentions).run()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.die("a background task failed; exiting", error)

    def _create_directories(self) -> None:
        """Do nothing: Faust would end where the folder cannot be written, and needs none."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:  # noqa: ARG002
        self.die("unhandled error in the stage; exiting", exc)

    def die(self, reason: str, error: BaseException) -> NoReturn:
        """Exit without acknowledging; the supervisor restarts the process."""
        if (why := explanation(error, self.settings)) is not None:
            log.critical(reason, why=why)
        else:
            log.critical(reason, exc_info=error)
        logging.shutdown()
        os._exit(EXIT_CRASHED)


def _credentials(settings: Settings) -> Any:
    if settings.security_protocol == "PLAINTEXT":
        return None
    arguments = settings.kafka()
    context = arguments.get("ssl_context")
    if not settings.security_protocol.startswith("SASL"):
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=settings.sasl_username,
        password=settings.sasl_password,
        mechanism=settings.sasl_mechanism,
        ssl_context=context,
    )


async def wait_for_kafka(settings: Settings, health: Health) -> None:
    """Return once a broker answers; Faust itself would end the process instead."""

    async def bootstrap() -> None:
        client = AIOKafkaClient(**settings.kafka())
        async with explained(settings, "Describe"):
            try:
                await client.bootstrap()
            finally:
                await client.close()

    await wait_until(
        health,
        "kafka",
        bootstrap,
        (KafkaError, OSError),
        str,
        longest_pause=2.0,
    )


def run_worker(settings: Settings, stage: Stage) -> None:
    """Run a stage until SIGTERM or SIGINT; returns when the process may end."""
    memory.configure_malloc()
    logs.configure(settings, stage.group.rpartition(".")[2])
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    app = Worker(settings, stage, Health(stage=stage.group.rpartition(".")[2]))
    memory.configure_gc()
    worker = faust.Worker(
        app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.spinner = None  # it writes escape codes to stdout, also where that is no terminal
    worker.execute_from_commandline()
