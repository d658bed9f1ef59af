"""What Kafka refuses, said in one sentence: users, listeners and rights, on a broker that has them.

The rights granted here are those of `hookline acls`; each test takes one away.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hookline.acls.rights import rights as table
from hookline.local.process import free_port
from ingest.publisher import KafkaPublisher, NotSentError, Record
from runtime import contact_key
from runtime.health import Health
from runtime.kafka import log_reader, topics_admin
from runtime.kafka.reasons import DeniedError, UnreachableError
from runtime.registry import schema_ids
from runtime.settings import Settings
from schemas.topics import (
    CANONICAL,
    DECISIONS,
    INGRESS,
    ORDERS,
    WEBHOOKS,
    Group,
)
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.pipeline import Pipeline, Shape, prepared
from tests.raw import Raw, append, wait_for_outcomes
from tests.secured_kafka import GROUP, TOPIC, USER, Rights, SecuredKafka

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECONDS = 90


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    directory = tmp_path_factory.mktemp("secured")
    kafka = SecuredKafka(directory / "kafka", free_port())
    kafka.start()
    yield kafka
    kafka.stop()


@pytest.fixture(scope="module")
def rights(broker: SecuredKafka) -> Rights:
    return Rights(broker.brokers)


@pytest.fixture
def admin(stack: LiveStack, broker: SecuredKafka, tmp_path: Path) -> Settings:
    """Settings of a user who may do everything; topics and schemas exist."""
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = replace(
        stack.settings(),
        brokers=broker.brokers,
        shops_file=str(shops),
        state_dir=str(tmp_path / "state"),
        session_timeout=6.0,
        heartbeat_interval=1.0,
        commit_interval=0.2,
    )
    run_apart(topics_admin.create_topics(settings))
    run_apart(schema_ids.register(settings))
    return settings


@pytest.fixture
def user(admin: Settings, broker: SecuredKafka) -> Settings:
    """Settings of ``USER``, who has no right yet."""
    return broker.secured(admin)


def grant(rights: Rights, settings: Settings, *stages: str) -> None:
    """Grant what the table has for these stages, and no more."""
    rights.grant(*(right for stage in stages for right in table(stage, settings.prefix)))


@pytest.fixture
def stage(user: Settings, rights: Rights) -> Settings:
    """Settings of ``USER``, with the rights of all stages."""
    grant(rights, user, "ingest", "process", "sink")
    return user


@pytest.fixture
def pipeline(user: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    shape = Shape(ingresses=0, processors=0, sinks=0)
    with prepared(user, tmp_path / "logs", shape) as pipeline:
        pipeline.start()
        yield pipeline


def raws(first: int, count: int) -> list[Raw]:
    return [
        Raw("run-free", senders.SHOP, f"order:{order.number}", order.body)
        for order in senders.orders(first, count)
    ]


def waits_for(pipeline: Pipeline, name: str, part: str) -> str:
    """The page of a process, once it holds ``part``."""
    deadline, text = time.monotonic() + SECONDS, ""
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{pipeline.ports[name]}/readyz"
            text = httpx.get(url, timeout=2, trust_env=False).text
        if part in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"nothing of {part!r} but {text}")


def lacks(right: str, kind: str, name: str) -> tuple[str, ...]:
    """What the sentence about a missing right holds."""
    return f"User:{USER}", f"the right {right} on the {kind} {name}", f"--operation {right}"


def logged(pipeline: Pipeline, name: str, part: str) -> str:
    """The log of a process, once it holds ``part``."""
    path, deadline = pipeline.logs / f"{name}.log", time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if path.exists() and part in (text := path.read_text()):
            return text
        time.sleep(0.2)
    raise AssertionError(f"nothing of {part!r} in {path}")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            {"sasl_password": "a wrong one"},
            (f"refuses the user {USER}", "authentication failed", "HOOKLINE_SASL_PASSWORD"),
        ),
        (
            {"sasl_username": "nobody"},
            ("refuses the user nobody", "authentication failed", "HOOKLINE_SASL_USERNAME"),
        ),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, ("does not offer", "HOOKLINE_SASL_MECHANISM")),
        (
            {"security_protocol": "PLAINTEXT"},
            ("closes the connection", "HOOKLINE_SECURITY_PROTOCOL"),
        ),
        ({"security_protocol": "SSL"}, ("HOOKLINE_SECURITY_PROTOCOL",)),
        ({"brokers": "127.0.0.1:9"}, ("does not answer at 127.0.0.1:9", "HOOKLINE_BROKERS")),
    ],
)
async def test_a_connection_that_fails_names_the_setting_to_look_at(
    broker: SecuredKafka, change: dict[str, str], parts: tuple[str, ...]
) -> None:
    settings = replace(broker.secured(Settings()), **change)  # type: ignore[arg-type]
    with pytest.raises(UnreachableError) as refused:
        await topics_admin.find_topics(settings)
    for part in parts:
        assert part in str(refused.value)
    assert "a wrong one" not in str(refused.value)


async def test_a_user_at_a_listener_without_users_is_told_the_protocol(
    broker: SecuredKafka,
) -> None:
    settings = replace(broker.secured(Settings()), brokers=broker.brokers)
    with pytest.raises(UnreachableError, match="HOOKLINE_SECURITY_PROTOCOL"):
        await topics_admin.find_topics(settings)


async def test_a_topic_that_may_not_be_seen_is_missing_or_a_right_is(
    stage: Settings, rights: Rights
) -> None:
    name = stage.topic(ORDERS)
    await asyncio.to_thread(rights.deny, TOPIC, name, "DESCRIBE")
    with pytest.raises(topics_admin.TopicsError, match=f"{name} is missing.*User:{USER} Describe"):
        await topics_admin.check_topics(stage)


async def test_configurations_that_may_not_be_read_name_the_right(
    stage: Settings, rights: Rights
) -> None:
    await asyncio.to_thread(rights.deny, TOPIC, stage.topic(ORDERS), "DESCRIBE_CONFIGS")
    with pytest.raises(topics_admin.TopicsError) as refused:
        await topics_admin.check_topics(stage)
    for part in lacks("DescribeConfigs", "topic", stage.topic(ORDERS)):
        assert part in str(refused.value)


@pytest.mark.parametrize("right", ["Read", "Write"])
async def test_a_contact_key_that_cannot_be_recorded_names_the_right_and_is_waited_for(
    stage: Settings, rights: Rights, right: str
) -> None:
    name, health = stage.topic(DECISIONS), Health()
    await asyncio.to_thread(rights.deny, TOPIC, name, right.upper())
    claim = asyncio.create_task(contact_key.claim(stage, health))
    while health.is_ready:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.05)
    why = health.unmet["contact key"]
    await asyncio.to_thread(rights.restore, TOPIC, name, right.upper())
    assert await claim == contact_key.fingerprint(stage.contact_key)
    for part in lacks(right, "topic", name):
        assert part in why
    assert health.is_ready


async def test_a_command_that_may_not_read_names_the_right(stage: Settings, rights: Rights) -> None:
    await asyncio.to_thread(rights.deny, TOPIC, stage.topic(WEBHOOKS), "READ")

    async def read() -> None:
        async with log_reader.consumer(stage) as client:
            tps = (await log_reader.topic_partitions(stage))[WEBHOOKS]
            client.assign(tps)
            client.seek(tps[0], 0)
            await client.getmany(*tps, timeout_ms=10_000)

    with pytest.raises(DeniedError) as refused:
        await read()
    for part in lacks("Read", "topic", stage.topic(WEBHOOKS)):
        assert part in str(refused.value)


@pytest.mark.parametrize("topic", [WEBHOOKS, INGRESS])
async def test_an_ingress_that_may_not_write_ends_and_names_the_right(
    stage: Settings, rights: Rights, topic: object
) -> None:
    name = stage.topic(WEBHOOKS if topic is WEBHOOKS else INGRESS)
    await asyncio.to_thread(rights.deny, TOPIC, name, "WRITE")
    fatal: list[str] = []
    publisher = KafkaPublisher(stage, fatal.append)
    await publisher.connect()
    sent = publisher.send(Record(name, b"key", b"value"))
    await asyncio.wait((sent,))
    await publisher.close(5)
    assert sent.exception() is not None
    for part in lacks("Write", "topic", name):
        assert part in fatal[0]


async def test_an_ingress_with_a_wrong_password_says_so_instead_of_not_reached(
    stage: Settings,
) -> None:
    publisher = KafkaPublisher(replace(stage, sasl_password="a wrong one"))
    connecting = asyncio.create_task(publisher.connect())
    why = ""
    while "authentication failed" not in why:
        await asyncio.sleep(0.1)
        with contextlib.suppress(NotSentError):
            publisher.send(Record(stage.topic(WEBHOOKS), b"key", b"value"))
        why = publisher.obstacle
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    assert f"refuses the user {USER}" in why


def test_a_processor_with_the_documented_rights_works_and_waits_for_each_that_it_lacks(
    user: Settings, rights: Rights, pipeline: Pipeline, admin: Settings
) -> None:
    grant(rights, user, "process")
    group, raw = f"{user.prefix}{Group.PROCESSORS}", user.topic(WEBHOOKS)
    asyncio.run(append(admin, raws(1, 20)))
    rights.deny(GROUP, group, "READ")
    name = pipeline.join("process")
    without_group = waits_for(pipeline, name, "the right Read on the group")
    rights.restore(GROUP, group, "READ")
    asyncio.run(wait_for_outcomes(admin, 20, SECONDS))
    pipeline.wait_ready(SECONDS)

    rights.deny(TOPIC, raw, "READ")
    without_raw = waits_for(pipeline, name, "the right Read on the topic")
    asyncio.run(append(admin, raws(100, 20)))
    rights.restore(TOPIC, raw, "READ")
    asyncio.run(wait_for_outcomes(admin, 40, SECONDS))
    pipeline.wait_ready(SECONDS)
    assert pipeline.restarts_of() == {name: 0}

    rights.deny(TOPIC, user.topic(ORDERS), "WRITE")
    asyncio.run(append(admin, raws(200, 20)))
    without_write = logged(pipeline, name, "the right Write on the topic")
    rights.restore(TOPIC, user.topic(ORDERS), "WRITE")
    asyncio.run(wait_for_outcomes(admin, 60, SECONDS))

    rights.deny(GROUP, group, "READ")  # of a member that has partitions
    waits_for(pipeline, name, "the right Read on the group")
    rights.restore(GROUP, group, "READ")
    asyncio.run(append(admin, raws(300, 20)))
    asyncio.run(wait_for_outcomes(admin, 80, SECONDS))
    pipeline.wait_ready(SECONDS)

    for page, sentence in (
        (without_group, lacks("Read", "group", group)),
        (without_raw, lacks("Read", "topic", raw)),
        (without_write, lacks("Write", "topic", user.topic(ORDERS))),
    ):
        for part in sentence:
            assert part in page


def test_a_sink_with_the_documented_rights_works_and_waits_for_each_that_it_lacks(
    user: Settings, rights: Rights, pipeline: Pipeline, admin: Settings
) -> None:
    from sinks.postgres.migrate import migrate  # noqa: PLC0415

    grant(rights, user, "sink")
    migrate(admin)
    group, topic = f"{user.prefix}{Group.SINKS}", user.topic(CANONICAL[0])
    rights.deny(GROUP, group, "READ")
    name = pipeline.join("sink")
    without_group = waits_for(pipeline, name, "the right Read on the group")
    rights.restore(GROUP, group, "READ")
    pipeline.wait_ready(SECONDS)
    rights.deny(TOPIC, topic, "READ")
    without_topic = waits_for(pipeline, name, f"the right Read on the topic {topic}")
    rights.restore(TOPIC, topic, "READ")
    pipeline.wait_ready(SECONDS)
    time.sleep(3)  # the sweep, the relay and the counter of dead letters have had their turns
    assert pipeline.restarts_of() == {name: 0}
    log = (pipeline.logs / f"{name}.log").read_text()
    refused = [line for line in log.splitlines() if "ot authorized" in line]
    assert [line for line in refused if topic not in line] == []
    assert "AuthorizationFailed" not in log
    for part in lacks("Read", "group", group):
        assert part in without_group
    for part in lacks("Read", "topic", topic):
        assert part in without_topic
