"""What a command says when it cannot go on: one line, and what to do."""

import asyncio
from collections.abc import Callable


class CommandError(Exception):
    """A command cannot go on; the message says why and what to do."""


def _of_clients(error: BaseException) -> str | None:
    """The clear line for an error of a client library, None for one that is a bug."""
    name, module = type(error).__name__, type(error).__module__.partition(".")[0]
    if module == "aiokafka" and name in ("KafkaConnectionError", "NodeNotReadyError"):
        return "Kafka does not answer: is `hookline up` running, is HOOKLINE_BROKERS right?"
    if module == "psycopg" and name == "OperationalError":
        return f"PostgreSQL does not answer: {str(error).splitlines()[0]}"
    if module == "psycopg":
        return f"PostgreSQL refuses: {str(error).splitlines()[0]}"
    if module == "httpx":
        return f"no answer over HTTP ({error}): is `hookline up` running?"
    if isinstance(error, asyncio.TimeoutError):
        return "a server did not answer in time: `hookline status` shows which one is up"
    return None


_OURS = frozenset({"schemas", "runtime", "ingest", "processors", "sinks", "hookline"})
"""Exceptions that these packages define say in words what to do."""


def sentence(error: BaseException) -> str | None:
    """The one line to print for ``error``, None where a traceback is the honest answer."""
    if type(error).__module__.partition(".")[0] in _OURS:
        return str(error)
    return _of_clients(error)


def guarded(run: Callable[[], None], report: Callable[[str], None], *, debug: bool) -> int:
    """Run a command; report what it cannot do. The exit status: 0, 1, or 130 for Ctrl-C."""
    try:
        run()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        line = sentence(error)
        if debug or line is None:
            raise
        report(line)
        return 1
    return 0
