"""The command line: its help, what it imports, and its error messages."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from hookline import stack_address
from hookline.cli import app, keep_examples
from hookline.console.errors import CommandError, guarded
from hookline.local.folder import Folder
from runtime.settings import SettingsError
from tests import ROOT

HEAVY = ("faust", "aiokafka", "starlette", "uvicorn", "psycopg", "httpx", "numpy", "fastavro")


def commands(group: typer.Typer = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for command in group.registered_commands:
        name = command.name or str(getattr(command.callback, "__name__", ""))
        yield (*path, name.replace("_", "-"))
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from commands(inner.typer_instance, (*path, inner.name or ""))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "hookline", *arguments],
        env={**kept, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("path", sorted(commands()), ids=" ".join)
def test_every_command_shows_examples(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    assert "  Examples:\n" in result.output
    assert f"    hookline {' '.join(path)}" in result.output or "HOOKLINE_" in result.output


def test_help_imports_no_stage() -> None:
    code = "import sys, hookline.cli; print([n for n in sys.argv[1:] if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_examples_keep_their_lines() -> None:
    for text in ("Do.\n\nExamples:\n  a\n  b", "Do.\n\nExamples:\n\n  a\n  b"):
        assert keep_examples(text) == "Do.\n\n\b\nExamples:\n  a\n  b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("tables", "nope"),
            "there is carts, customers, people, days, coverage, freshness; `hookline",
        ),
        (("tables", "--watch", "--json"), "--watch shows tables: leave out --json and --sql"),
        (("tables", "--watch", "--sql", "select 1"), "--watch shows tables: leave out --json"),
        (("tables", "--watch", "list"), "--watch shows tables: leave it out before 'list'"),
        (("tables", "--sql", "select 1", "carts"), "leave out 'carts'"),
        (("send", "run-free", "nope"), "has no example 'nope': there is cart-change"),
        (("send", "ebay"), "no platform 'ebay'"),
        (("topics", "--data", "/nowhere/at/all"), "no stack is up in /nowhere/at/all"),
        (("shops", "--file", "/nowhere.toml"), "/nowhere.toml: No such file"),
    ],
)
def test_an_error_is_one_line_with_a_remedy(arguments: tuple[str, ...], message: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("hookline: ")
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--port", "--kafka-port", "--postgres-port"])
def test_a_port_out_of_range_is_refused(option: str) -> None:
    ended = run("up", option, "99999")
    assert ended.returncode == 2
    assert f"Invalid value for '{option}'" in ended.stderr
    assert "65535" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "environment", "message"),
    [
        (("up", "--data", "/proc/foo"), {}, "/proc/foo cannot hold the data: "),
        (("up", "--data", "/proc/foo", "--detach"), {}, "/proc/foo cannot hold the data: "),
        (("process",), {}, "HOOKLINE_CONTACT_KEY is not set"),
        (("ingest",), {"HOOKLINE_DATABASE_URL": "postgresql://db/hookline"},
         "HOOKLINE_DATABASE_URL is set, but `hookline ingest` does not need it"),
        (("sink",), {"HOOKLINE_CONTACT_KEY": "a key"},
         "HOOKLINE_CONTACT_KEY is set, but `hookline sink` does not need it"),
        (("process",), {"HOOKLINE_CONTACT_KEY": "a key of this test, long enough",
                        "HOOKLINE_SHOPS_FILE": "shops.reference.toml", "JOHNS_KEY": "a secret"},
         "JOHNS_KEY is set, but `hookline process` does not need it"),
        (("ingest",), {"HOOKLINE_SHOPS_FILE": "none.toml"}, "HOOKLINE_SHOPS_FILE: none.toml: No"),
        (("migrate",), {"HOOKLINE_DATABASE_URL": "postgresql://127.0.0.1:9"},
         "is HOOKLINE_DATABASE_URL right?"),
        (("migrate",), {"HOOKLINE_COMMIT_INTERVAL": "-1"}, "HOOKLINE_COMMIT_INTERVAL=-1"),
        (("migrate",), {"HOOKLINE_SECURITY_PROTOCOL": "SSL", "HOOKLINE_SSL_CAFILE": "/no.pem"},
         "HOOKLINE_SSL_CAFILE=/no.pem: there is no such file"),
        (("tables",), {"HOOKLINE_BROKER": "kafka:9092"}, "is HOOKLINE_BROKERS meant?"),
    ],
)  # fmt: skip
def test_an_error_names_what_to_change(
    command: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    ended = run(*command, **environment)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run("ingest", HOOKLINE_PORT=port, HOOKLINE_SHOPS_FILE="shops.example.toml")
    assert ended.returncode == 1
    assert f"127.0.0.1:{port} is taken; set HOOKLINE_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_shops_need_no_stack_and_an_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "shops.toml"
    file.write_text("")
    away = {"HOOKLINE_SHOPS_FILE": str(file), "HOOKLINE_DATA": str(tmp_path / "none")}
    assert "lists no shop" in run("shops", **away).stdout
    file.write_text("[[shop]]")
    assert run("shops", **away).stderr.startswith(f"hookline: {file}: unknown table 'shop'")
    findings = json.loads(run("doctor", "--json", **away).stdout)
    [shops] = [finding for finding in findings if finding["subject"] == "shops"]
    assert (shops["level"], str(file) in shops["words"]) == ("wrong", True)
    file.unlink()
    assert "--file" in run("shops", **away).stderr


def test_the_status_of_a_stack_that_starts_names_what_it_waits_for(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.locked():
        folder.write_step("sink: partitions: joining the group")
        ended = run("status", "--data", str(tmp_path))
        assert (ended.returncode, ended.stdout) == (
            1,
            "starting: sink: partitions: joining the group\n",
        )
        shown = json.loads(run("status", "--json", "--data", str(tmp_path)).stdout)
        assert shown == {
            "running": False,
            "starting": True,
            "step": "sink: partitions: joining the group",
        }
    assert "`hookline up` starts a stack" in run("status", "--data", str(tmp_path)).stdout


def test_the_version_is_that_of_the_package() -> None:
    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (0, f"hookline {metadata.version('hookline')}\n")


def test_debug_shows_where_it_went_wrong() -> None:
    assert "Traceback" in run("tables", "nope", "--debug").stderr


def test_servers_that_do_not_answer_are_named() -> None:
    away = {
        "HOOKLINE_BROKERS": "127.0.0.1:9",
        "HOOKLINE_DATABASE_URL": "postgresql://127.0.0.1:9",
        "HOOKLINE_INGRESS_URL": "http://127.0.0.1:9",
        "HOOKLINE_SHOPS_FILE": "shops.example.toml",
    }
    for command in ("topics", "audit"):
        error = run(command, **away).stderr
        assert "Kafka does not answer" in error
        assert len(error.splitlines()) == 1
    reader = {"HOOKLINE_READER_URL": "postgresql://127.0.0.1:9"}
    assert "is HOOKLINE_READER_URL right?" in run("tables", **away, **reader).stderr
    assert "no answer over HTTP" in run("send", "gooten", "order-item-changed", **away).stderr


def test_a_setting_that_cannot_be_read_is_named() -> None:
    ended = run("migrate", HOOKLINE_PORT="many")
    assert (ended.returncode, ended.stderr) == (
        1,
        "hookline: HOOKLINE_PORT='many': write a number\n",
    )


def test_shops_are_listed_without_their_secrets() -> None:
    ended = run("shops", "--file", "shops.example.toml", "--json")
    listed = json.loads(ended.stdout)
    assert [entry["shop"] for entry in listed][2] == "spiffy/johns"
    assert listed[3]["url"].endswith("/hooks/ciklik/winebox/<token>/<event>")
    assert "demo-" not in ended.stdout


@pytest.mark.parametrize(
    ("error", "status"), [(CommandError("do this"), 1), (SettingsError("do that"), 1)]
)
def test_our_own_errors_are_printed_as_they_are(error: Exception, status: int) -> None:
    messages: list[str] = []

    def fail() -> None:
        raise error

    assert guarded(fail, messages.append, debug=False) == status
    assert messages == [str(error)]


def test_a_bug_keeps_its_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(fail, lambda _: None, debug=False)


def test_ctrl_c_ends_quietly() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert guarded(interrupted, lambda _: None, debug=False) == 130


def test_a_stack_elsewhere_is_found_through_the_environment() -> None:
    stack = stack_address.find_stack(
        None, {"HOOKLINE_BROKERS": "kafka:9092", "HOOKLINE_READER_URL": "postgresql://reader@db"}
    )
    assert (stack.settings.brokers, stack.reader_url) == ("kafka:9092", "postgresql://reader@db")
    assert stack.ingress_url == "http://127.0.0.1:8080"


def test_reading_has_no_url_but_the_readers() -> None:
    """An analyst needs nothing of Kafka; nobody's tables are read with another URL."""
    stack = stack_address.find_stack(None, {"HOOKLINE_READER_URL": "postgresql://reader@db"})
    assert (stack.reader_url, stack.contacts_reader_url) == ("postgresql://reader@db", "")
    others = {"HOOKLINE_BROKERS": "kafka:9092", "HOOKLINE_DATABASE_URL": "postgresql://owner@db"}
    stack = stack_address.find_stack(None, others)
    assert (stack.reader_url, stack.contacts_reader_url) == ("", "")
    assert stack.owner.database_url == "postgresql://owner@db"
    ended = run("tables", **others)
    assert ended.stderr == (
        "hookline: HOOKLINE_READER_URL is not set: reading uses the role hookline_reader and no"
        " other (docs/operating.md, Roles)\n"
    )


def test_a_folder_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="hookline up"):
        stack_address.find_stack(tmp_path, {})
