import io
import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from runtime import logs
from runtime.settings import Settings, SettingsError

SETTINGS = Settings(log_format="json", log_level="debug")


@pytest.fixture
def written() -> Any:
    """A stream that takes the logs, and the lines in it; the root logger is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(SETTINGS, "ingest", stream)
    yield stream
    root.handlers[:], root.level = handlers, level


def lines(stream: Any) -> Any:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_for_machines_names_stage_level_logger_and_time(written: Any) -> None:
    logs.get("a.logger").warning("it happened", partition=3)

    (line,) = lines(written)
    assert (line["event"], line["partition"]) == ("it happened", 3)
    assert (line["stage"], line["level"], line["logger"]) == ("ingest", "warning", "a.logger")
    assert line["timestamp"].endswith("Z")


def test_a_librarys_log_goes_the_same_way(written: Any) -> None:
    logging.getLogger("some.library").error("it failed for %s", "jane@example.com")

    (line,) = lines(written)
    assert line["event"] == "it failed for [redacted]"
    assert line["stage"] == "ingest"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("POST /hooks/gooten/prints/t0ken?orderid=1", "POST /hooks/gooten/prints/[redacted]"),
        ("postgresql://me:pass@host/db", "postgresql://me:[redacted]@host/db"),
        ("mail jane.doe+x@shop.example.com now", "mail [redacted] now"),
        ("?orderid=1&token=abc&x=2", "?orderid=1&token=[redacted]&x=2"),
        ("3 of 4 partitions", "3 of 4 partitions"),
    ],
)
def test_secrets_and_addresses_are_scrubbed_from_text(text: Any, expected: Any) -> None:
    assert expected == logs.scrubbed(text)


@pytest.mark.parametrize("key", ["secret", "token", "sasl_password", "email", "phone", "api_key"])
def test_a_value_under_a_secret_key_is_never_written(written: Any, key: Any) -> None:
    logs.get("x").info("said", **{key: "tell-nobody", "deep": {key: ["tell-nobody"]}})

    assert "tell-nobody" not in written.getvalue()


def test_a_traceback_is_scrubbed_too(written: Any) -> None:
    try:
        raise ValueError("no shop for jane@example.com")  # noqa: TRY301 - to be logged
    except ValueError:
        logs.get("x").exception("failed")

    assert "ValueError" in written.getvalue()
    assert "jane@" not in written.getvalue()


def test_the_kafka_client_never_tells_bodies_at_debug(written: Any) -> None:
    logging.getLogger("aiokafka.producer").debug("Sending (key=%s value=%s)", "k", "a body")
    logging.getLogger("uvicorn.access").info("POST /hooks/a/b/c")

    assert written.getvalue() == ""


def test_a_line_for_people_is_no_json() -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(replace(SETTINGS, log_format="text"), "sinks", stream)
    try:
        logs.get("y").info("hello", shop="prints")
    finally:
        root.handlers[:], root.level = handlers, level

    assert "hello" in stream.getvalue()
    assert "shop=prints" in stream.getvalue()


@pytest.mark.parametrize("wrong", [{"log_format": "xml"}, {"log_level": "loud"}])
def test_a_setting_that_does_not_exist_is_refused(wrong: Any) -> None:
    with pytest.raises(SettingsError, match="HOOKLINE_LOG_"):
        logs.configure(replace(SETTINGS, **wrong), "ingest", io.StringIO())
