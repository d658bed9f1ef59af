"""Logs: key=value for people at a terminal, one JSON object a line for machines.

``configure`` is called once per process; the logs of libraries pass through the same processors,
warnings and errors only unless debug is asked for. Values that look like a secret, a token in a
URL or an e-mail address are redacted, and characters that steer a terminal are escaped.
"""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

from runtime.escaping import json_text, one_line, terminal_text
from runtime.settings import Settings, SettingsError

# Processes that never call ``configure``: the stdout of a command is its output, perhaps JSON.
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))

REDACTED = "[redacted]"
FORMATS = ("auto", "json", "text")

_SECRET_KEYS = re.compile(
    r"secret|token|password|passwd|authorization|signature|hmac|api_?key|contact_key|cookie"
    r"|e_?mail|phone|address_?line|first_?name|last_?name|body\b",
    re.IGNORECASE,
)
_PASSWORD_OF_URL = re.compile(r"(\w+://[^:/@\s]*):[^@/\s]*@")
_PASSWORD = re.compile(r"(\bpassword\s*=\s*)(?:'[^']*'|[^&\s\"']+)", re.IGNORECASE)
_SCRUBS = (
    (re.compile(r"(/hooks/[^/\s?\"']+/[^/\s?\"']+)/[^\s\"']+"), r"\1/" + REDACTED),
    (_PASSWORD_OF_URL, rf"\1:{REDACTED}@"),
    (_PASSWORD, r"\1" + REDACTED),
    # PostgreSQL puts the values of the row there.
    (re.compile(r"(DETAIL:).*?(?=\n|\\n|$)"), r"\1 " + REDACTED),
    (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), REDACTED),
    (
        re.compile(
            r"((?:token|secret|password|signature|hmac|api_?key)=)[^&\s\"']+", re.IGNORECASE
        ),
        r"\1" + REDACTED,
    ),
)
OURS = "hookline"
"""The logger above all of ours."""
# At lower levels they log keys and bodies, or access lines with whole URLs, also at debug.
_MINIMUM_LEVELS = {
    "aiokafka": logging.INFO,
    "asyncio": logging.INFO,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "uvicorn.error": logging.WARNING,
    "uvicorn": logging.WARNING,
}


def without_passwords(text: str) -> str:
    """Remove the passwords of URLs and of a database's connection string."""
    return _PASSWORD.sub(rf"\1{REDACTED}", _PASSWORD_OF_URL.sub(r"\1@", text))


def scrubbed(text: str) -> str:
    """Redact tokens in URLs, passwords in connection strings, e-mail addresses, values of rows."""
    if not any(mark in text for mark in ("/", "@", "=", "DETAIL")):
        return text
    for pattern, replacement in _SCRUBS:
        text = pattern.sub(replacement, text)
    return text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, BaseException):
        return scrubbed(repr(value))
    if isinstance(value, dict):
        return {
            key: REDACTED if _SECRET_KEYS.search(str(key)) else _clean(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Redact secrets and personal data, by key and by pattern: a structlog processor."""
    own = {key: value for key, value in event.items() if key.startswith("_")}  # structlog's record
    return {**_clean(dict(event)), **own}


_OF_LINES = ("exception", "stack")
"""Fields that have several lines; elsewhere a newline would look like another entry."""


def _readable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Escape texts before the renderer colours them: a structlog processor."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = terminal_text(value) if key in _OF_LINES else one_line(value)
    return event


def is_for_people(log_format: str, stream: TextIO) -> bool:
    """Whether logs are text and not JSON."""
    return log_format == "text" or (log_format == "auto" and stream.isatty())


def configure(settings: Settings, stage: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process to ``stream`` (stderr), each with its ``stage``.

    Raises SettingsError for a format or level that does not exist.
    """
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping().get(settings.log_level.upper())
    if level is None:
        raise SettingsError("HOOKLINE_LOG_LEVEL: one of debug, info, warning, error")
    if settings.log_format not in FORMATS:
        raise SettingsError("HOOKLINE_LOG_FORMAT: one of auto, json, text")
    is_text = is_for_people(settings.log_format, stream)

    def named(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        event.setdefault("stage", stage)
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderers: list[Any] = (
        [_readable, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        if is_text
        else [
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            lambda _logger, _method, line: json_text(line),
        ]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))
    logging.getLogger(OURS).setLevel(level)
    for name, minimum in _MINIMUM_LEVELS.items():
        logging.getLogger(name).setLevel(max(root.level, minimum))


def get(name: str) -> Any:
    """Return a logger: ``log.info("what happened", key=value)``."""
    return structlog.stdlib.get_logger(name)


def capture_uncaught() -> None:
    """Log what Python would print: its warnings, and errors that nothing caught."""
    logging.captureWarnings(capture=True)

    def uncaught(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        get(OURS).critical("unhandled error; exiting", exc_info=(kind, error, traceback))

    def in_thread(found: threading.ExceptHookArgs) -> None:
        get(OURS).critical("a thread ended by an error", exc_info=found.exc_value)

    def unraisable(found: "sys.UnraisableHookArgs") -> None:
        get(OURS).error("an error was ignored", at=repr(found.object), exc_info=found.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable
