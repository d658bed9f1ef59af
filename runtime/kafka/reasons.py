"""Why Kafka does not do what was asked, in one sentence that names what to change.

aiokafka logs why a connection failed and raises only that none could be made; of a missing right
it names the topic or group at most. Here the connection is tried once more for its reason, and a
refusal names the principal, the right and the resource.
"""

import asyncio
import os
import shlex
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from runtime.sentences import sentence
from runtime.settings import Settings

_TRY_MS = 3000
_AWAY = "does not answer"
_OUR_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "UNKNOWN CA", "HANDSHAKE_FAILURE")
"""What the alerts are called with which a broker refuses ours, or that there is none."""
_CREDENTIALS = (AuthenticationFailedError, SaslAuthenticationFailed)
_MECHANISM = (UnsupportedSaslMechanismError, IllegalSaslStateError)
DENIED = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)


class UnreachableError(KafkaConnectionError):  # type: ignore[misc]
    """No broker could be used; the message gives the reason and the setting to look at."""

    def __str__(self) -> str:
        return str(self.args[0])


class DeniedError(KafkaError):  # type: ignore[misc]
    """A right is missing; the message names principal, operation and resource."""

    def __str__(self) -> str:
        return str(self.args[0])


@asynccontextmanager
async def explained(
    settings: Settings, operation: str, of_group: str = "Read"
) -> AsyncIterator[None]:
    """Raise Kafka's refusals in the block as UnreachableError or DeniedError.

    ``operation``: what the block does to a topic, as Kafka's rights are called (``Read``);
    ``of_group``: what it does to a group.
    """
    try:
        yield
    except (UnreachableError, DeniedError):
        raise
    except DENIED as error:
        raise DeniedError(denied(error, settings, operation, of_group)) from error
    except (KafkaConnectionError, NodeNotReadyError) as error:
        raise UnreachableError(await why_unreachable(settings)) from error


def explanation(error: BaseException, settings: Settings, operation: str = "Read") -> str | None:
    """Return the sentence for an error of ours or a refusal; None where a traceback is needed."""
    if isinstance(error, DENIED):
        return denied(error, settings, operation)
    return sentence(error)


def unseen(settings: Settings, right: str = "Describe") -> str:
    """Return what else may be meant by a topic that is not listed, where users have rights."""
    if settings.security_protocol == "PLAINTEXT":
        return ""
    return f" (or grant {principal(settings)} {right} on it: what it may not see is not listed)"


def principal(settings: Settings) -> str:
    """Return who we are to the brokers, as rights are granted to it."""
    if settings.security_protocol.startswith("SASL") and settings.sasl_username:
        return f"User:{settings.sasl_username}"
    if settings.security_protocol == "SSL" and settings.ssl_certfile:
        return f"User:<subject of {settings.ssl_certfile}>"  # as the brokers map it
    return "User:ANONYMOUS"


def denied(error: BaseException, settings: Settings, operation: str, of_group: str = "Read") -> str:
    """Return the sentence for a missing right. ``operation``: of a topic, where one is named."""
    if isinstance(error, GroupAuthorizationFailedError):
        return _lacks(settings, of_group, "group", _names(error.args))
    if isinstance(error, TopicAuthorizationFailedError):
        return _lacks(settings, operation, "topic", _names(error.args))
    if operation == "Write":
        return (
            f"Kafka refuses {principal(settings)}: a producer needs Write on at least one topic"
            f" (before Kafka 3.0: IdempotentWrite on the cluster); {_RIGHTS}"
        )
    return _lacks(settings, operation, "cluster", "")


_RIGHTS = "`hookline acls` prints the rights of each stage"


def _lacks(settings: Settings, operation: str, kind: str, names: str) -> str:
    who, resource = principal(settings), f"{kind} {names}".strip()
    return (
        f"Kafka refuses {who}: it lacks the right {operation} on the {resource}; grant it with"
        f" `kafka-acls --add --allow-principal {shlex.quote(who)} --operation {operation}"
        f" --{resource}`;"
        f" {_RIGHTS}"
    )


def _names(args: Iterable[object]) -> str:
    """Return the topics or groups that an error of aiokafka's names, in whatever form."""
    names: set[str] = set()
    for value in args:
        if isinstance(value, str):
            names.add(value)
        elif isinstance(value, Iterable):
            names |= {str(each) for each in value}
    return " ".join(sorted(names))


async def answering(settings: Settings) -> tuple[str, list[str]]:
    """Connect to each bootstrap server once, which takes a few seconds at most.

    Returns those that answer, as HOOKLINE_BROKERS names them, and why the others do not.
    """
    names = [f"{host}:{port}" for host, port, _ in collect_hosts(settings.brokers)]
    hosts = [(host, port) for host, port, _ in collect_hosts(settings.brokers)]
    reasons = await asyncio.gather(*(_try(settings, host, port) for host, port in hosts))
    answers = [name for name, why in zip(names, reasons, strict=True) if why is None]
    return ",".join(answers), [why for why in reasons if why is not None]


async def why_unreachable(settings: Settings) -> str:
    """Connect to each broker once, for the reason why none can be used."""
    hosts = collect_hosts(settings.brokers)
    reasons = await asyncio.gather(*(_try(settings, host, port) for host, port, _ in hosts))
    if None in reasons:
        return f"a broker of {settings.brokers} answers, but the one in charge does not"
    # A broker that refuses gives a better reason than one that is down.
    return max(map(str, reasons), key=lambda reason: _AWAY not in reason)


async def _try(settings: Settings, host: str, port: int) -> str | None:
    """Return why this broker cannot be used; None where it can."""
    arguments = settings.kafka()
    del arguments["bootstrap_servers"]
    arguments["request_timeout_ms"] = _TRY_MS
    try:
        connection = await create_conn(host, port, **arguments)
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        return _why(error, settings, f"{host}:{port}")
    return None


def _why(error: BaseException, settings: Settings, broker: str) -> str:
    protocol = settings.security_protocol
    if isinstance(error, _CREDENTIALS):
        return (
            f"Kafka refuses the user {settings.sasl_username} at {broker}: authentication failed;"
            " check HOOKLINE_SASL_USERNAME and HOOKLINE_SASL_PASSWORD"
        )
    if isinstance(error, _MECHANISM):
        return (
            f"Kafka at {broker} does not offer {protocol} with {settings.sasl_mechanism}: check"
            " HOOKLINE_SASL_MECHANISM and HOOKLINE_SECURITY_PROTOCOL"
        )
    if isinstance(error, ssl.SSLError):
        return _why_no_tls(error, broker)
    if isinstance(error, KafkaConnectionError | ConnectionResetError):
        wants, also = "TLS or a user", ""
        if "SSL" in protocol:  # of TLS 1.3 the refusal of a certificate is only a closed connection
            wants, also = "a user, or a certificate other than ours", " and HOOKLINE_SSL_CERTFILE"
        return (
            f"Kafka closes the connection at {broker}: its listener may want {wants}; check"
            f" HOOKLINE_SECURITY_PROTOCOL ({protocol} now){also}"
        )
    reason = "no answer in time" if isinstance(error, TimeoutError) else _plain(error)
    return (
        f"Kafka does not answer at {broker} ({reason}): is it running, is HOOKLINE_BROKERS right?"
    )


def _why_no_tls(error: ssl.SSLError, broker: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"Kafka's certificate at {broker} is not trusted ({error.verify_message}): set"
            " HOOKLINE_SSL_CAFILE to the authority that signed it"
        )
    if any(word in str(error).upper() for word in _OUR_CERTIFICATE):
        return (
            f"Kafka at {broker} does not take our certificate: set HOOKLINE_SSL_CERTFILE and"
            " HOOKLINE_SSL_KEYFILE to one that an authority of the broker's has signed"
        )
    return f"Kafka at {broker} does not speak TLS there: check HOOKLINE_SECURITY_PROTOCOL"


def _plain(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        # asyncio's text of a refused connection repeats the address.
        return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return str(error).removeprefix(f"{type(error).__name__}: ") or type(error).__name__
