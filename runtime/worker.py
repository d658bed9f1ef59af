"""A Faust app as we run it: one agent, whole batches, no tables, no web server of Faust's.

Nothing may escape the agent: Faust would restart it behind the batch it was given. So every
error that a stage does not settle itself ends the process without acknowledging; the next
owner reads back what arrived.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import faust
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust import streams
from faust.types import StreamT

from runtime import health as health_server
from runtime import logs
from runtime.consumer.batch_consumer import BatchConsumer, Transport
from runtime.consumer.watchdog import Watchdog
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.topic_checks import retention_ms
from runtime.process import gc, malloc
from runtime.settings import Settings
from runtime.stage import Stage
from schemas.topics import MIB

log = logs.get("hookline.worker")

EXIT_CRASHED = 70
MAX_POLL_RECORDS = 2000
BUFFERED_BATCHES = 8
FETCH_BYTES = MIB // 2
"""Of a partition at a time, or one record: what waits longer has left the processor's caches."""
NEVER_IDLE = 10 * 365 * 86400.0
"""Seconds until a member that fetches nothing leaves: waiting out a service is no reason to."""


class Untouched(faust.Schema):  # type: ignore[misc]
    """Hands the agent what the consumer delivered: a batch, not a decoded message."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The key as it is."""
        return message.key

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The batch as it is."""
        return message.value


class Worker(faust.App):  # type: ignore[misc]
    """The Faust app of one stage."""

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
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.heartbeat_interval,
            broker_commit_interval=settings.commit_interval,
            broker_max_poll_interval=NEVER_IDLE,
            broker_rebalance_timeout=settings.session_timeout * 3,
        )
        self.transport = Transport(self.conf.broker_consumer, self, loop=self.loop)
        names = [settings.topic(topic) for topic in stage.topics]
        channel = self.topic(*names, schema=Untouched(key_type=bytes, value_type=bytes))
        self.agent(channel, name="batches")(self._batches)

    async def _batches(self, stream: StreamT[Any]) -> None:
        stream.enable_acks = False  # the compiled iterator would acknowledge by itself
        consumer: BatchConsumer = self.consumer
        waiting = stream.channel.queue
        async for fetched in stream:
            taken = [(stream.current_event.message, fetched)]
            count = len(fetched.records)
            while count < MAX_POLL_RECORDS and not waiting.empty():
                event = waiting.get_nowait()
                taken.append((event.message, event.value))
                count += len(event.value.records)
            await consumer.take(taken)

    async def on_start(self) -> None:
        """Be visible first, then wait for Kafka, then let the stage connect."""
        self.health.waiting("partitions", "joining the group")
        self._spawn(health_server.serve(self.settings, self.health))
        try:
            await wait_for_kafka(self.settings, self.health)
            await topics_admin.check_topics(self.settings, self.health)
            await self.stage.start(self.settings, self.health)
            await super().on_start()
            self._spawn(self._watch())
        except Exception as error:  # noqa: BLE001 - Faust would stop with exit code 0
            self.die("the stage cannot start", error)

    async def on_stop(self) -> None:
        """Let the stage let go once nothing is in hand."""
        if self._consumer is not None:
            self._consumer.stop_opening()
        await super().on_stop()
        await self.stage.stop()
        for task in self._background:
            task.cancel()

    async def _watch(self) -> None:
        found = await topics_admin.find_topics(self.settings)
        names = [self.settings.topic(topic) for topic in self.stage.topics]
        kept = {name: retention_ms(found[name]) / 1000 for name in names}
        limits = self.settings.stall_timeout, self.conf.broker_rebalance_timeout
        await Watchdog(self.consumer, *limits, kept).run()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.die("a background task ended", error)

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:  # noqa: ARG002
        self.die("the stage could not settle a batch", exc)

    def die(self, what: str, error: BaseException) -> NoReturn:
        """End the process without acknowledging: the supervisor starts it again."""
        log.critical(what, exc_info=error)
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
    while True:
        probe = AIOKafkaClient(**settings.kafka())
        try:
            await probe.bootstrap()
        except (KafkaError, OSError) as error:
            health.waiting("kafka", f"no broker answers at {settings.brokers}")
            log.warning("waiting for kafka", brokers=settings.brokers, error=str(error))
            await asyncio.sleep(1.0)
        else:
            health.met("kafka")
            return
        finally:
            await probe.close()


def run_worker(settings: Settings, stage: Stage) -> None:
    """Run a stage until SIGTERM or SIGINT. Does not return before the process may end."""
    malloc.settle()
    logs.configure(settings, stage.group.rpartition(".")[2])
    Path(settings.state_dir).mkdir(parents=True, exist_ok=True)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    app = Worker(settings, stage, Health())
    gc.pace()
    worker = faust.Worker(
        app,
        loglevel=settings.log_level,
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    worker.execute_from_commandline()
