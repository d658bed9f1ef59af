"""What a command prints for an error."""

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from hookline.console.errors import CommandError, error_message
from runtime.contact_key import AnotherKeyError
from runtime.kafka.reasons import DeniedError, UnreachableError


@pytest.mark.parametrize("kind", [AnotherKeyError, CommandError, DeniedError, UnreachableError])
def test_an_error_of_ours_is_its_sentence_alone(kind: type[Exception]) -> None:
    assert error_message(kind("the reason and the remedy")) == "the reason and the remedy"


@pytest.mark.parametrize(
    "error", [TopicAuthorizationFailedError("carts"), GroupAuthorizationFailedError("carts")]
)
def test_a_right_that_kafka_refuses_is_never_a_server_that_is_away(error: Exception) -> None:
    message = error_message(error)
    assert message is not None
    assert "carts" in message
    assert "rights" in message
    assert "does not answer" not in message


def test_a_broker_that_is_away_is_named_and_other_errors_keep_their_traceback() -> None:
    assert "does not answer" in str(error_message(KafkaConnectionError("no")))
    assert error_message(KafkaTimeoutError()) is None
    assert error_message(KeyError("a bug")) is None
