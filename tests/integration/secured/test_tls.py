"""Kafka by client certificates, the registry over TLS: real servers, the test's certificates."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hookline.local.process import free_port
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.reasons import DeniedError, UnreachableError
from runtime.registry import schema_ids
from runtime.registry.client import RegistryAwayError, RegistryError, shown
from runtime.settings import Settings
from schemas.topics import WEBHOOKS
from tests import secured_registry
from tests.certificates import Authority
from tests.secured_kafka import SecuredKafka
from tests.secured_registry import SecuredRegistry

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(tmp_path_factory.mktemp("tls") / "kafka", free_port())
    kafka.start()
    yield kafka
    kafka.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRegistry]:
    server = SecuredRegistry(tmp_path_factory.mktemp("tls") / "registry", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def secured(registry: SecuredRegistry, tmp_path: Path) -> Settings:
    return Settings(
        registry_url=registry.url,
        registry_username=secured_registry.USER,
        registry_password=secured_registry.PASSWORD,
        registry_cafile=str(registry.authority.cafile),
        state_dir=str(tmp_path / "state"),
    )


async def test_a_certificate_that_the_broker_does_not_trust_or_none_is_named(
    broker: SecuredKafka, tmp_path: Path
) -> None:
    good = broker.certified(Settings(), "visitor")
    assert await topics_admin.find_topics(good) == {}
    stranger, key = Authority(tmp_path, "stranger").create().sign("visitor")
    for certfile, keyfile in ((None, None), (str(stranger), str(key))):
        with pytest.raises(UnreachableError, match="HOOKLINE_SSL_CERTFILE"):
            await topics_admin.find_topics(
                replace(good, ssl_certfile=certfile, ssl_keyfile=keyfile)
            )


async def test_a_broker_that_another_authority_signed_is_named(
    broker: SecuredKafka, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").create()
    settings = replace(broker.certified(Settings(), "visitor"), ssl_cafile=str(other.cafile))
    with pytest.raises(UnreachableError, match=r"not trusted .* set HOOKLINE_SSL_CAFILE"):
        await topics_admin.find_topics(settings)


async def test_a_right_that_a_certificate_lacks_is_named_with_its_file(
    broker: SecuredKafka,
) -> None:
    admin = Settings(brokers=broker.brokers, partitions=1, replication_factor=1)
    health = Health()
    await topics_admin.once_kafka_answers(admin, health, topics_admin.create_topics)
    settings = broker.certified(admin, "visitor")
    with pytest.raises(topics_admin.TopicsError) as refused:
        await topics_admin.check_topics(settings, health, topics={WEBHOOKS: "Read"})
    assert f"User:<subject of {settings.ssl_certfile}> Read on it" in str(refused.value)
    with pytest.raises((DeniedError, topics_admin.TopicsError), match=r"visitor\.pem"):
        await topics_admin.once_kafka_answers(settings, health, topics_admin.create_topics)


async def test_schemas_are_registered_over_tls_with_a_user(secured: Settings) -> None:
    await schema_ids.register(secured)
    codec = await schema_ids.load_codec(secured, Health())
    assert codec is not None
    # The authorities of Kafka serve for the registry as well.
    await schema_ids.register(
        replace(secured, registry_cafile=None, ssl_cafile=secured.registry_cafile)
    )


async def test_what_the_registry_refuses_names_the_setting_and_shows_no_password(
    secured: Settings,
) -> None:
    with pytest.raises(RegistryError, match="HOOKLINE_REGISTRY_PASSWORD") as refused:
        await schema_ids.register(replace(secured, registry_password="a wrong password"))
    assert "a wrong password" not in str(refused.value)
    with pytest.raises(RegistryError, match="HOOKLINE_REGISTRY_USERNAME"):
        await schema_ids.register(replace(secured, registry_username=None))
    in_url = secured.registry_url.replace("https://", "https://user:word-in-the-url@")
    with pytest.raises(RegistryAwayError, match="HOOKLINE_REGISTRY_CAFILE") as untrusted:
        await schema_ids.register(replace(secured, registry_url=in_url, registry_cafile=None))
    assert "word-in-the-url" not in str(untrusted.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://user:word@host:1/a@b", "https://host:1/a@b"),
        ("http://host/apis", "http://host/apis"),
        ("http://user:w@o@host", "http://host"),
        ("host:8081", "host:8081"),
    ],
)
def test_a_url_is_shown_without_what_it_holds_of_a_user(url: str, wanted: str) -> None:
    assert shown(url) == wanted
