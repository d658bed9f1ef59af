"""Sentences about what Kafka refuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from runtime.kafka.reasons import (
    DeniedError,
    UnreachableError,
    denied,
    explained,
    explanation,
    principal,
    unseen,
    why_unreachable,
)
from runtime.settings import Settings, SettingsError

USER = Settings(security_protocol="SASL_SSL", sasl_username="sinks")


@pytest.mark.parametrize(
    ("error", "operation", "right"),
    [
        (TopicAuthorizationFailedError("carts"), "Write", "Write on the topic carts;"),
        (TopicAuthorizationFailedError({"carts", "as"}), "Read", "Read on the topic as carts;"),
        (TopicAuthorizationFailedError(["carts"]), "Describe", "Describe on the topic carts;"),
        (TopicAuthorizationFailedError(), "Read", "Read on the topic;"),
        (GroupAuthorizationFailedError("sinks"), "Write", "Read on the group sinks;"),
        (ClusterAuthorizationFailedError("1"), "DescribeConfigs", "DescribeConfigs on the cluster"),
        (ClusterAuthorizationFailedError(), "Write", "needs Write on at least one topic"),
    ],
)
def test_a_missing_right_names_principal_operation_and_resource(
    error: KafkaError, operation: str, right: str
) -> None:
    sentence = denied(error, USER, operation)
    assert sentence.startswith("Kafka refuses User:sinks")
    assert right in sentence
    assert "\n" not in sentence


def test_a_client_without_a_user_is_anonymous() -> None:
    assert principal(USER) == "User:sinks"
    assert principal(Settings()) == "User:ANONYMOUS"
    assert principal(Settings(sasl_username="unused")) == "User:ANONYMOUS"


def test_errors_of_ours_are_explained_and_bugs_keep_their_traceback() -> None:
    assert explanation(SettingsError("set it"), USER) == "set it"
    assert "Write on the topic carts" in str(
        explanation(TopicAuthorizationFailedError("carts"), USER, "Write")
    )
    assert explanation(KeyError("x"), USER) is None
    assert explanation(KafkaTimeoutError(), USER) is None


async def test_a_refusal_within_the_block_is_raised_with_its_sentence() -> None:
    with pytest.raises(DeniedError, match="Describe on the topic carts"):
        async with explained(USER, "Describe"):
            raise TopicAuthorizationFailedError("carts")


async def test_a_sentence_is_not_made_again_and_other_errors_pass() -> None:
    with pytest.raises(UnreachableError) as same:
        async with explained(USER, "Read"), explained(Settings(), "Write"):
            raise UnreachableError("the reason")
    assert str(same.value) == "the reason"
    with pytest.raises(KafkaTimeoutError):
        async with explained(USER, "Read"):
            raise KafkaTimeoutError


async def test_an_unreachable_broker_is_still_a_connection_error_for_who_waits_for_it() -> None:
    with pytest.raises(KafkaConnectionError, match=r"does not answer at 127\.0\.0\.1:9 "):
        async with explained(Settings(brokers="127.0.0.1:9"), "Read"):
            raise KafkaConnectionError("Unable to bootstrap")


@contextlib.asynccontextmanager
async def listener(answer: bytes) -> AsyncIterator[str]:
    """A server that is no broker: it reads, answers and closes; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_of_several_brokers_one_that_refuses_is_named_before_those_that_are_away() -> None:
    async with listener(b"") as brokers:
        why = await why_unreachable(Settings(brokers=f"127.0.0.1:9,{brokers},127.0.0.1:11"))
        assert why.startswith(f"Kafka closes the connection at {brokers}")


async def test_a_listener_that_speaks_no_tls_is_named_as_such() -> None:
    async with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as brokers:
        why = await why_unreachable(Settings(brokers=brokers, security_protocol="SSL"))
        assert (
            why == f"Kafka at {brokers} does not speak TLS there: check HOOKLINE_SECURITY_PROTOCOL"
        )


async def test_a_host_without_an_address_is_named() -> None:
    why = await why_unreachable(Settings(brokers="no-such-host.invalid:9092"))
    assert "no-such-host.invalid:9092" in why
    assert "HOOKLINE_BROKERS" in why


def test_what_is_done_to_a_group_is_named_where_it_is_not_reading() -> None:
    error = GroupAuthorizationFailedError("processors")
    assert "Describe on the group processors;" in denied(error, USER, "Describe", "Describe")


def test_a_user_of_a_certificate_goes_by_its_file() -> None:
    certified = Settings(security_protocol="SSL", ssl_certfile="/run/sink.pem")
    assert principal(certified) == "User:<subject of /run/sink.pem>"
    sentence = denied(TopicAuthorizationFailedError("carts"), certified, "Read")
    assert "--allow-principal 'User:<subject of /run/sink.pem>' --operation Read" in sentence
    assert "grant User:<subject of /run/sink.pem> Read on it" in unseen(certified, "Read")
