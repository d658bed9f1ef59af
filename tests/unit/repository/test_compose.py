"""docker-compose.yml and the Dockerfile, held against the settings and the command line."""

import json
import re
from dataclasses import fields
from typing import Any

import jsonschema
import pytest
import yaml

from hookline.cli import app
from runtime.settings import Settings
from tests import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
STAGES = {"ingest": "ingest", "processors": "process", "sinks": "sink"}
VARIABLES = {f"HOOKLINE_{item.name.upper()}" for item in fields(Settings)}

# The parts of the compose specification that this file uses, and no others.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["services"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["image"],
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string"},
                    "build": {"type": "string"},
                    "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
                    "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
                    "environment": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                    },
                    "command": {"type": "array", "items": {"type": "string"}},
                    "entrypoint": {"type": "array", "items": {"type": "string"}},
                    "volumes": {"type": "array", "items": {"type": "string"}},
                    "ports": {"type": "array", "items": {"pattern": r"^\d+:\d+$"}},
                    "configs": {"type": "array", "items": {"required": ["source", "target"]}},
                    "healthcheck": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "test": {"type": "array", "items": {"type": "string"}},
                            "interval": {"type": "string"},
                            "timeout": {"type": "string"},
                            "retries": {"type": "integer"},
                            "disable": {"type": "boolean"},
                        },
                    },
                    "depends_on": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "required": ["condition"],
                            "properties": {
                                "condition": {
                                    "enum": [
                                        "service_started",
                                        "service_healthy",
                                        "service_completed_successfully",
                                    ]
                                }
                            },
                        },
                    },
                },
            },
        },
    },
}


def commands() -> set[str]:
    return {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    } | {group.name or "" for group in app.registered_groups}


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bHOOKLINE_[A-Z_]+", text))


def test_it_is_compose() -> None:
    jsonschema.validate(COMPOSE, SCHEMA)


def test_every_variable_is_a_setting() -> None:
    for file in ("docker-compose.yml", "Dockerfile"):
        assert variables((ROOT / file).read_text()) <= VARIABLES, file


@pytest.mark.parametrize(("service", "command"), STAGES.items())
def test_the_three_stages_run_as_commands_that_exist(service: str, command: str) -> None:
    assert SERVICES[service]["command"] == [command]
    assert command in commands()


def test_topics_and_tables_stand_before_any_stage_starts() -> None:
    assert SERVICES["init"]["command"] == ["hookline topics create; hookline migrate"]
    assert {"topics", "migrate"} <= commands()
    for service in STAGES:
        assert SERVICES[service]["depends_on"] == {
            "init": {"condition": "service_completed_successfully"}
        }


def test_what_is_waited_for_is_there_and_says_when_it_is_healthy() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "test" in SERVICES[name]["healthcheck"]


def test_stages_that_scale_publish_no_port_and_have_no_name_of_their_own() -> None:
    for service in ("processors", "sinks"):
        assert "ports" not in SERVICES[service]
        assert "container_name" not in SERVICES[service]


def test_volumes_and_configs_that_are_used_are_declared() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"]
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]


def test_offsets_outlive_the_raw_topic() -> None:
    from schemas.topics import RAW_RETENTION  # noqa: PLC0415

    minutes = int(SERVICES["broker"]["environment"]["KAFKA_OFFSETS_RETENTION_MINUTES"])
    assert minutes >= RAW_RETENTION.total_seconds() / 60


def test_the_image_runs_as_nobody_special_and_says_whether_it_is_healthy() -> None:
    text = (ROOT / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER hookline\n" in last
    assert "HEALTHCHECK" in last
    assert text.count("FROM ") == 2


def test_the_image_asks_for_its_health_with_a_program_that_parses() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    program, flag, source = json.loads(re.findall(r"HEALTHCHECK .* CMD (\[.*\])", text)[0])
    assert (program, flag) == ("python", "-c")
    compile(source, "healthcheck", "exec")
    assert "/healthz" in source
