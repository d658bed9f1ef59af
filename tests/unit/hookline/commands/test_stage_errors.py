"""A stage that cannot start says why in the format of its logs."""

import json
import os
import socket
import subprocess
import sys

import pytest

TAKEN = "a port that is taken"


@pytest.mark.parametrize(
    ("stage", "variable", "value"),
    [
        ("ingest", "HOOKLINE_PORT", "many"),
        ("process", "HOOKLINE_LOG_LEVEL", "loud"),
        ("sink", "HOOKLINE_COMMIT_INTERVAL", "-1"),
        ("process", "HOOKLINE_CONTACT_KEY", ""),
        ("ingest", "HOOKLINE_SHOPS_FILE", "none.toml"),
        ("ingest", "HOOKLINE_PORT", TAKEN),
        ("ingest", "HOOKLINE_HEALTH_PORT", TAKEN),
        ("sink", "HOOKLINE_HEALTH_PORT", TAKEN),
        ("process", "HOOKLINE_HEALTH_PORT", TAKEN),
    ],
)
def test_every_line_of_a_stage_that_cannot_start_is_json(
    stage: str, variable: str, value: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "hookline", stage],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")},
                **(
                    {"HOOKLINE_CONTACT_KEY": "a key of the tests, long enough"}
                    if stage == "process"
                    else {}
                ),
                "HOOKLINE_SHOPS_FILE": "shops.example.toml",
                "HOOKLINE_BROKERS": "127.0.0.1:1",
                "HOOKLINE_LOG_FORMAT": "json",
                variable: port if value == TAKEN else value,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    lines = [json.loads(line) for line in (ended.stdout + ended.stderr).splitlines()]
    assert ended.returncode in (1, 70)
    assert lines[-1]["level"] == "critical"
    assert variable in json.dumps(lines[-1])
