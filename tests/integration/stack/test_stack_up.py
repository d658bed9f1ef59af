"""``hookline up`` as a person runs it: one folder, one stack, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from hookline.local.folder import Folder
from schemas.topics import ALL
from tests.log_search import leaks, secrets_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(290)]


def environment() -> dict[str, str]:
    """That of a shell that knows of no other stack."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    if "HOOKLINE_CACHE" in os.environ:
        kept["HOOKLINE_CACHE"] = os.environ["HOOKLINE_CACHE"]
    return kept


def hookline(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hookline", *arguments]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=200, check=False,
        umask=0,  # the widest: nothing may rely on it
    )  # fmt: skip


def wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    Folder(tmp_path).stop()


def up(data: Path) -> dict[str, Any]:
    done = hookline("up", "--detach", "--data", str(data), "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return status(data)


def status(data: Path) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(hookline("status", "--json", "--data", str(data)).stdout)
    return shown


def pids(shown: dict[str, Any]) -> dict[str, int]:
    return {process["name"]: process["pid"] for process in shown["processes"]}


def secrets_are_where_they_belong(data: Path, shown: dict[str, Any], key: str) -> None:
    """Each stage has its own; none is in a command line, a log or what the commands print."""
    run = json.loads((data / "run.json").read_text())
    assert run["environment"]["HOOKLINE_CONTACT_KEY"] == key
    database = run["stages"]["sink"]["HOOKLINE_DATABASE_URL"]
    holders: dict[str, set[str]] = {key: set(), database: set()}
    for name, pid in pids(shown).items():
        process = psutil.Process(pid)
        assert key not in " ".join(process.cmdline())
        for secret, names in holders.items():
            if secret in process.environ().values():
                names.add(name)
    assert holders == {key: {"dashboard", "process-1", "process-2"}, database: {"sink"}}
    said = hookline("status", "--json", "--data", str(data)).stdout
    said += hookline("doctor", "--json", "--data", str(data)).stdout
    said += "".join(log.read_text(errors="replace") for log in (data / "logs").glob("*.log"))
    assert key not in said


def open_to_others(folder: Path) -> list[str]:
    """What another account may read, write or enter; Java sets the mode of one folder itself."""
    everything = (path for path in (folder, *folder.rglob("*")) if "vertx-cache" not in path.parts)
    return [
        str(path) for path in everything if not path.is_symlink() and path.stat().st_mode & 0o077
    ]


def test_a_stack_lives_through_kills_and_goes_on_with_its_data(data: Path) -> None:
    shown = up(data)
    assert [process["name"] for process in shown["processes"]] == [
        *("hookline up", "kafka", "registry", "postgres"),
        *("sink", "dashboard", "process-1", "process-2", "ingest"),
    ]
    assert {process["state"] for process in shown["processes"]} == {"up"}
    assert shown["memory_bytes"] < 1.5e9
    assert open_to_others(data) == []
    assert leaks(data, secrets_of(data)) == []
    shows = (json.dumps(shown), hookline("status", "--data", str(data)).stdout)
    assert [word for word in secrets_of(data) for text in shows if word in text] == []
    key = (data / "contact_key").read_text()
    secrets_are_where_they_belong(data, shown, key)

    second = hookline("up", "--data", str(data))
    assert second.returncode == 1
    assert f"a stack already runs in {data}" in second.stderr

    before = pids(shown)
    os.kill(before["process-1"], signal.SIGKILL)
    wait_for(lambda: pids(status(data))["process-1"] != before["process-1"], "it is restarted")
    restarted = {process["name"]: process for process in status(data)["processes"]}
    assert restarted["process-1"]["restarts"] == 1
    assert restarted["process-1"]["last_exit"] == -signal.SIGKILL
    log = (data / "logs" / "up.log").read_text()
    assert "process-1 exited with -9 and will be restarted" in " ".join(log.split())

    family = pids(status(data))
    os.kill(family["hookline up"], signal.SIGKILL)
    wait_for(lambda: not any(map(lives, family.values())), "all die with `hookline up`")
    gone = hookline("status", "--json", "--data", str(data))
    assert gone.returncode == 1
    assert json.loads(gone.stdout) == {"running": False, "starting": False, "step": None}

    again = up(data)
    log = (data / "logs" / "up.log").read_text()
    assert "Kafka, registry and PostgreSQL start" in log
    assert "the stages start" in log
    assert not (data / "starting.json").exists()
    assert (data / "contact_key").read_text() == key
    assert again["brokers"] == shown["brokers"]
    assert f"0 topics created, {len(ALL)} already existed" in (data / "logs" / "up.log").read_text()
    checked = hookline("doctor", "--json", "--data", str(data))
    assert [found for found in json.loads(checked.stdout) if found["level"] == "wrong"] == []

    family = pids(again)
    down = hookline("down", "--data", str(data))
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    wait_for(lambda: not any(map(lives, family.values())), "all have ended")
    assert not (data / "run.json").exists()


def exported(data: Path) -> dict[str, str]:
    """The environment of a shell after `eval "$(hookline status --env --stage process)"`."""
    status = f"{sys.executable} -m hookline status --env --stage process"
    ended = subprocess.run(
        ["bash", "--norc", "-c", f'eval "$({status})"; env -0'],
        env={
            **environment(),
            "HOOKLINE_DATA": str(data),
            "HOOKLINE_READER_URL": "of before",
            "HOOKLINE_DATABASE_URL": "of before",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in ended.stdout.split("\0") if line)


def secrets_in(variables: Mapping[str, str]) -> dict[str, str | None]:
    """The variables with a secret, each with the user of the database if it holds a URL."""
    return {
        name: urlsplit(value).username
        for name, value in variables.items()
        if name == "HOOKLINE_CONTACT_KEY" or (name.startswith("HOOKLINE_") and "postgres" in value)
    }


def secrets_of_stages(shown: dict[str, Any]) -> dict[str, dict[str, str | None]]:
    stages = {name: pid for name, pid in pids(shown).items() if is_stage(name)}
    return {name: secrets_in(psutil.Process(pid).environ()) for name, pid in stages.items()}


def is_stage(name: str) -> bool:
    return name.partition("-")[0] in ("ingest", "process", "sink")


def test_an_added_worker_joins_the_stack_and_is_listed(data: Path) -> None:
    shown = up(data)
    assert len(shown["processes"]) == 9
    assert secrets_of_stages(shown) == {
        "sink": {"HOOKLINE_DATABASE_URL": "hookline_sink"},
        "process-1": {"HOOKLINE_CONTACT_KEY": None},
        "process-2": {"HOOKLINE_CONTACT_KEY": None},
        "ingest": {},
    }
    assert secrets_in(exported(data)) == {"HOOKLINE_CONTACT_KEY": None}
    command = [sys.executable, "-m", "hookline", "process"]
    log = data / "added.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=exported(data), stdout=out, stderr=out) as added,
    ):
        try:

            def is_up() -> bool:
                assert added.poll() is None, log.read_text()
                last = status(data)["processes"][-1]
                return bool((last["name"], last["state"]) == ("process (added)", "up"))

            wait_for(is_up, log.read_text())
            assert pids(status(data))["process (added)"] == added.pid
            assert "process (added)" in hookline("status", "--data", str(data)).stdout
        finally:
            added.terminate()
            assert added.wait(30) == 0
    assert len(status(data)["processes"]) == 9


def test_a_port_that_is_taken_is_refused_and_nothing_is_left(data: Path) -> None:
    import socket  # noqa: PLC0415 - only here

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = hookline("up", "--data", str(data), "--kafka-port", str(port))
    assert done.returncode == 1
    assert f"port {port} for kafka is taken" in done.stderr
    assert hookline("status", "--data", str(data)).returncode == 1


def test_a_broken_shops_file_is_refused_before_anything_starts(data: Path, tmp_path: Path) -> None:
    shops = tmp_path / "broken.toml"
    shops.write_text('[[shops]]\nsource = "gooten"\n')
    done = hookline("up", "--data", str(data), "--shops", str(shops))
    assert done.returncode == 1
    assert "shops[1].id" in done.stderr
    assert not (data / "kafka").exists()
