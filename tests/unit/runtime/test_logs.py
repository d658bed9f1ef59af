import io
import json
import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from runtime import logs
from runtime.settings import Settings, SettingsError
from tests.screens import TEXTS, steers

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
        ("host=db password='a b' user=me", "host=db password=[redacted] user=me"),
        ("postgresql://me:@host/db", "postgresql://me:[redacted]@host/db"),
        (
            "null value\nDETAIL:  Failing row contains (Jane Doe, 7).\nCONTEXT: x",
            "null value\nDETAIL: [redacted]\nCONTEXT: x",
        ),
    ],
)
def test_secrets_and_addresses_are_scrubbed_from_text(text: Any, expected: Any) -> None:
    assert expected == logs.scrubbed(text)


def test_a_password_is_taken_out_of_what_a_screen_shows_and_addresses_stay() -> None:
    text = "no jane@example.com at postgresql://me:pass@host/db password=x"
    assert logs.without_passwords(text) == (
        "no jane@example.com at postgresql://me@host/db password=[redacted]"
    )


@pytest.mark.parametrize("log_format", ["json", "text"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_no_line_of_a_log_steers_a_terminal_or_looks_like_another(
    written: Any, log_format: str, text: str
) -> None:
    written.seek(0)
    written.truncate()
    logs.configure(replace(SETTINGS, log_format=log_format), "ingest", written)
    logs.get("hookline.x").warning(f"<{text}>", field=f"<{text}>", deep={"a": [f"<{text}>"]})
    logging.getLogger("library").error("it failed for %s", f"<{text}>")
    try:
        raise ValueError(f"<{text}>")  # noqa: TRY301 - to be logged
    except ValueError:
        logs.get("hookline.x").exception("failed", error=ValueError(text))
    found = written.getvalue()

    assert not steers(found)
    head, *_ = found.split("Traceback")
    assert head.rstrip("\n").count("\n") == 2 or log_format == "json"
    if log_format == "json":
        assert [json.loads(line)["level"] for line in found.splitlines()] == [
            "warning", "error", "error",
        ]  # fmt: skip


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


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["theirs info", "theirs warning", "ours debug", "ours info", "ours warning"]),
        ("info", ["theirs warning", "ours info", "ours warning"]),
        ("warning", ["theirs warning", "ours warning"]),
        ("error", []),
    ],
)
def test_libraries_log_what_is_wrong_only_unless_debug_is_asked_for(
    written: Any, level: Any, expected: Any
) -> None:
    """aiokafka, faust and mode log some 30 lines at each start."""
    logs.configure(replace(SETTINGS, log_level=level), "processors", written)
    for name in ("aiokafka.consumer.group_coordinator", "faust.transport", "mode.worker"):
        logging.getLogger(name).info("theirs info")
        logging.getLogger(name).warning("theirs warning")
    ours = logging.getLogger("hookline.test")
    for severity in (logging.DEBUG, logging.INFO, logging.WARNING):
        ours.log(severity, "ours %s", logging.getLevelName(severity).lower())
    found = [line["event"] for line in lines(written)]
    assert sorted(set(found), key=found.index) == expected


def test_what_python_itself_would_print_is_one_line_of_json_each() -> None:
    code = """
import sys, threading, warnings
from runtime import logs
from runtime.settings import Settings
logs.configure(Settings(log_format="json"), "sinks")
logs.capture_uncaught()
warnings.warn("old and worn")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
class Falling:
    def __del__(self): raise LookupError("in a destructor")
Falling()
raise ValueError("for jane@example.com")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    found = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (ended.returncode, ended.stdout) == (1, "")
    assert [line["level"] for line in found] == ["warning", "critical", "error", "critical"]
    texts = [line["event"] + line.get("exception", "") for line in found]
    expected = ("old and worn", "ZeroDivisionError", "in a destructor", "ValueError")
    assert all(part in text for part, text in zip(expected, texts, strict=True))
    assert "jane@" not in ended.stderr


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


def test_a_process_that_configures_no_logs_writes_none_to_its_output() -> None:
    code = "from runtime import logs; logs.get('hookline.audit').warning('a record of another')"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert (ended.stdout, "a record of another" in ended.stderr) == ("", True)
