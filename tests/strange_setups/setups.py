"""The broken set-ups: how each is made, what must be said of it, how it is mended."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from hookline.local.process import wait_until
from runtime.kafka.topic_checks import topic_configs
from runtime.kafka.topics_admin import admin_client
from runtime.registry.client import RegistryClient, RegistryError
from runtime.settings import Settings
from schemas import codec
from schemas.topics import BY_RECORD, CARTS, DUPLICATES, WEBHOOKS, Group, Topic
from tests import senders
from tests.strange_setups.target import Target

FOREIGN = 300
SESSION = 13.0
"""Seconds after which a stopped member has left its group."""
STATE_DISK = 256 * 1024
Hookline = Callable[..., None]


def _nothing(_target: Target, _hookline: Hookline) -> None:
    """Leave it: it is over, or cannot be mended."""


@dataclass(frozen=True, slots=True)
class Setup:
    """``named``: a pattern of what names the cause."""

    name: str
    title: str
    break_it: Callable[[Target], None]
    named: str
    mend_it: Callable[[Target, Hookline], None] = _nothing
    can_be_mended: bool = True


def _alter(target: Target, topic: Topic, **changes: str) -> None:
    async def alter() -> None:
        async with admin_client(target.settings) as admin:
            name = target.settings.topic(topic)
            renamed = {key.replace("_", "."): value for key, value in changes.items()}
            configs = topic_configs(topic, target.settings) | renamed
            resource = ConfigResource(ConfigResourceType.TOPIC, name, configs)
            await admin.alter_configs([resource])

    asyncio.run(alter())


def _configure(_target: Target, hookline: Hookline) -> None:
    hookline("topics", "configure")


def _codec(target: Target) -> None:
    _alter(target, WEBHOOKS, compression_type="zstd")
    target.append(10)


def _retention(target: Target) -> None:
    _alter(target, DUPLICATES, retention_ms="3600000")
    target.append(10)


def _in_sync(target: Target) -> None:
    _alter(target, WEBHOOKS, min_insync_replicas="2", unclean_leader_election_enable="true")

    async def send() -> None:
        host = target.run["ingress_url"].removeprefix("http://")
        name, port = host.split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        [order] = senders.orders(target.sent + 1, 1)
        writer.write(order.request(host))
        print((await reader.readline()).decode().strip())
        writer.close()

    asyncio.run(send())
    target.sent += 1


def _foreign(target: Target) -> None:
    async def write() -> None:
        producer = AIOKafkaProducer(**target.settings.kafka())
        await producer.start()
        for topic in (WEBHOOKS, CARTS):
            for number in range(FOREIGN):
                await producer.send(target.settings.topic(topic), b"no delivery %d" % number)
        await producer.stop()

    asyncio.run(write())
    time.sleep(5)


def _set_offsets(settings: Settings, where: str) -> None:
    async def commit() -> None:
        group = f"{settings.prefix}{Group.PROCESSORS}"
        client = AIOKafkaConsumer(**settings.kafka(), group_id=group, enable_auto_commit=False)
        await client.start()
        try:
            tps = [TopicPartition(settings.topic(WEBHOOKS), n) for n in range(settings.partitions)]
            ends = await client.end_offsets(tps)
            client.assign(tps)
            await client.commit({tp: end if where == "end" else 0 for tp, end in ends.items()})
        finally:
            await client.stop()

    asyncio.run(commit())


def _offsets_forward(target: Target) -> None:
    target.signal("process-1", signal.SIGSTOP)
    time.sleep(SESSION)
    target.append(40)
    _set_offsets(target.settings, "end")


def _offsets_back(target: Target) -> None:
    target.signal("process-1", signal.SIGSTOP)
    time.sleep(SESSION)
    _set_offsets(target.settings, "start")


def _go_on(target: Target, _hookline: Hookline) -> None:
    target.signal("process-1", signal.SIGCONT)


def _permuted(target: Target) -> None:
    folder = target.data / "registry"
    before = target.pid("registry")
    os.kill(before, signal.SIGKILL)
    for file in folder.glob("registry*"):
        file.rename(folder / f"kept-{file.name}")
    wait_until(lambda: target.pid("registry") != before, 20)

    async def register() -> None:
        async with RegistryClient(target.settings) as client:
            for name in reversed(list(BY_RECORD)):
                subject = BY_RECORD[name].subject(target.settings.prefix)
                await client.register(subject, codec.schema_text(name))

    def is_registered() -> bool:
        try:
            asyncio.run(register())
        except RegistryError:
            return False
        return True

    assert wait_until(is_registered, 180, every=0.5)
    target.append(10)
    target.restart("process-1", "sink")
    time.sleep(8)


def _restore_registry(target: Target, _hookline: Hookline) -> None:
    folder = target.data / "registry"
    os.kill(target.pid("registry"), signal.SIGKILL)
    for file in folder.glob("registry*"):
        file.unlink()
    for file in folder.glob("kept-*"):
        file.rename(folder / file.name.removeprefix("kept-"))


def _full_state(target: Target) -> None:
    state = target.data / "state"
    mount = ["mount", "-t", "tmpfs", "-o", f"size={STATE_DISK}", "hookline-test", str(state)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        with (state / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
    else:  # without the right to mount: a file where the folder was
        state.rename(target.data / "state.kept")
        state.write_bytes(b"")
    target.append(40)
    target.restart("process-1", "sink")
    time.sleep(15)


def _free_state(target: Target, _hookline: Hookline) -> None:
    state = target.data / "state"
    if state.is_file():
        state.unlink()
        (target.data / "state.kept").rename(state)
    else:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def _unknown_shop(target: Target) -> None:
    target.append(5, shop="elsewhere")
    time.sleep(3)


def _add_shop(target: Target, _hookline: Hookline) -> None:
    known = target.shops.read_text()
    target.shops.write_text(known + known.replace(senders.SHOP, "elsewhere"))


def _more_partitions(target: Target) -> None:
    async def create() -> None:
        async with admin_client(target.settings) as admin:
            await admin.create_partitions({target.settings.topic(CARTS): NewPartitions(6)})

    asyncio.run(create())
    time.sleep(2)


def _silent(target: Target) -> None:
    target.signal("kafka", signal.SIGSTOP)
    time.sleep(12)


def _speak(target: Target, _hookline: Hookline) -> None:
    target.signal("kafka", signal.SIGCONT)


SETUPS = (
    Setup(
        "codec", "a topic's compression is zstd", _codec,
        r"compression\.type=zstd, declared is producer", _configure,
    ),
    Setup(
        "retention", "duplicates are kept for an hour", _retention,
        r"duplicates keeps records 1 h", _configure,
    ),
    Setup(
        "in-sync", "more replicas must acknowledge than there are", _in_sync,
        r"webhooks.*min\.insync\.replicas", _configure,
    ),
    Setup(
        "foreign-producer", "another producer writes to two topics", _foreign,
        r"records of other producers",
    ),
    Setup(
        "offsets-forward", "the processors' offsets are set to the end", _offsets_forward,
        r"never processed|without an outcome", _go_on,
    ),
    Setup(
        "offsets-back", "the processors' offsets are set to the start", _offsets_back,
        r"processed already", _go_on,
    ),
    Setup(
        "registry", "the registry has the schemas under other ids", _permuted,
        r"restored out of order", _restore_registry,
    ),
    Setup(
        "state-full", "the state folder is full", _full_state,
        r"(?i)state folder|state.*No space", _free_state,
    ),
    Setup(
        "unknown-shop", "deliveries of a shop that is in no file", _unknown_shop,
        r"run-free/elsewhere", _add_shop,
    ),
    Setup(
        "silent-broker", "the broker is stopped", _silent,
        r"Kafka does not answer at", _speak,
    ),
    Setup(
        "partitions", "carts gets two more partitions", _more_partitions,
        r"carts has 6 partitions, not 4",
    ),
)  # fmt: skip
