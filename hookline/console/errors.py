"""Errors of commands, printed as one line with the reason and the remedy."""

import asyncio
from collections.abc import Callable

from runtime.sentences import sentence


class CommandError(Exception):
    """A command cannot go on; the message gives the reason and the remedy."""


def error_message(error: BaseException) -> str | None:
    """The line to print for ``error``; None for a bug, which needs its traceback."""
    return sentence(error) or _client_message(error)


def _client_message(error: BaseException) -> str | None:
    # By name, since importing the client libraries would slow --help down.
    name, module = type(error).__name__, type(error).__module__.partition(".")[0]
    if module == "aiokafka":
        return _kafka_message(name, error)
    if module == "psycopg":
        return _postgres_message(name, error)
    if module == "httpx":
        return f"no answer over HTTP ({error}): is `hookline up` running?"
    if isinstance(error, asyncio.TimeoutError):
        return "a server did not answer in time: `hookline status` shows which one is up"
    return None


def _postgres_message(name: str, error: BaseException) -> str:
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    if name == "OperationalError":
        return f"PostgreSQL does not answer: {reason}; is HOOKLINE_DATABASE_URL right?"
    if name == "InsufficientPrivilege":
        return f"PostgreSQL refuses: {reason}: docs/operating.md lists the role of each command"
    return f"PostgreSQL refuses: {reason}"


def _kafka_message(name: str, error: BaseException) -> str | None:
    if name in ("KafkaConnectionError", "NodeNotReadyError"):
        return "Kafka does not answer: is `hookline up` running, is HOOKLINE_BROKERS right?"
    if name.endswith("AuthorizationFailedError"):
        return f"Kafka refuses ({error}): docs/operating.md lists the rights of each command"
    return None


def guarded(run: Callable[[], None], report: Callable[[str], None], *, debug: bool) -> int:
    """Run a command and report its error. Returns the exit status: 0, 1, or 130 for Ctrl-C."""
    try:
        run()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        message = error_message(error)
        if debug or message is None:
            raise
        report(message)
        return 1
    return 0
