"""docker-compose.yml and the Dockerfile, held against the settings and the command line."""

import json
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hookline.cli import app
from hookline.notify import settings as notify_settings
from hookline.stack_address import CONTACTS_READER_URL, METRICS, READER_URL
from runtime.process.own_secrets import OWNERS, foreign
from runtime.settings import Settings
from schemas.shops import load
from sinks.postgres import roles
from tests import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
STAGES = {"ingest": "ingest", "processors": "process", "sinks": "sink"}
PASSWORDS = (
    "POSTGRES_PASSWORD", "REGISTRY_PASSWORD", "SINK_PASSWORD", "OPERATOR_PASSWORD",
    "READER_PASSWORD", "CONTACTS_READER_PASSWORD", "GRAFANA_PASSWORD",
)  # fmt: skip
SECRETS = {"HOOKLINE_CONTACT_KEY": 64, **dict.fromkeys(PASSWORDS, 32)}
"""Name -> digits of what `make compose-env` writes."""
VARIABLES = {f"HOOKLINE_{item.name.upper()}" for item in fields(Settings)} | {
    READER_URL, CONTACTS_READER_URL, METRICS, "HOOKLINE_DATA",
    *notify_settings.VARIABLES,
}  # fmt: skip

PORT = r"^\$\{(INGRESS|DASHBOARD|GRAFANA|PROMETHEUS)_BIND:-127\.0\.0\.1:\d+\}:\d+$"
"""A port is published on this machine alone unless .env says otherwise."""

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
                    "mem_limit": {"type": "string", "pattern": r"^\d+[mg]$"},
                    "user": {"type": "string"},
                    "read_only": {"type": "boolean"},
                    "cap_drop": {"type": "array", "items": {"type": "string"}},
                    "security_opt": {"type": "array", "items": {"type": "string"}},
                    "pids_limit": {"type": "integer"},
                    "tmpfs": {"type": "array", "items": {"type": "string", "pattern": "^/"}},
                    "profiles": {"type": "array", "items": {"type": "string"}},
                    "volumes": {
                        "type": "array",
                        "items": {
                            "oneOf": [
                                {"type": "string"},
                                {
                                    "type": "object",
                                    "required": ["type", "source", "target"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "type": {"const": "bind"},
                                        "source": {"type": "string"},
                                        "target": {"type": "string"},
                                        "read_only": {"type": "boolean"},
                                        "bind": {"type": "object"},
                                    },
                                },
                            ]
                        },
                    },
                    "ports": {"type": "array", "items": {"pattern": PORT}},
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
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"]
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]


def test_what_watches_starts_only_where_it_is_asked_for() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items()
                if "profiles" in service}  # fmt: skip
    assert profiles == {
        "dashboard": ["dashboard"], "grafana": ["observability"], "notify": ["notify"],
        "operator": ["tools"], "prometheus": ["observability"], "shops": ["tools"],
    }  # fmt: skip


def test_every_service_has_a_limit_of_memory_above_the_heap_of_its_jvm() -> None:
    for name, service in SERVICES.items():
        assert "mem_limit" in service, name
    heap = SERVICES["broker"]["environment"]["KAFKA_HEAP_OPTS"]
    assert mebibytes(re.findall(r"-Xmx(\w+)", heap)[0]) <= (
        mebibytes(SERVICES["broker"]["mem_limit"]) / 2
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_writes_to_its_volumes_only_and_can_get_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert 0 < service["pids_limit"] <= 512
    assert service["user"] not in ("root", "0")
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - of the container
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid"} & set(service)
    assert "docker.sock" not in str(service)


def test_the_stages_run_as_the_account_of_the_image() -> None:
    (uid,) = re.findall(r"useradd .*--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert {SERVICES[name]["user"] for name in [*STAGES, "init", "shops"]} == {uid}


def mebibytes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def test_no_health_check_starts_a_jvm() -> None:
    for service in SERVICES.values():
        test = " ".join(service.get("healthcheck", {}).get("test", []))
        assert "java" not in test
        assert "/opt/kafka" not in test


def test_the_shops_are_mounted_as_a_folder_that_must_exist_and_stages_only_read() -> None:
    from_dockerfile = re.findall(r"HOOKLINE_SHOPS_FILE=(\S+)", (ROOT / "Dockerfile").read_text())
    for service in ("ingest", "processors"):
        (mount,) = [each for each in SERVICES[service]["volumes"] if isinstance(each, dict)]
        assert [f"{mount['target']}/shops.toml"] == from_dockerfile
        assert mount["bind"] == {"create_host_path": False}
        assert mount["read_only"] is (service in STAGES)


@pytest.mark.parametrize(("service", "stage"), STAGES.items())
def test_each_stage_is_given_its_own_secrets_and_no_others(service: str, stage: str) -> None:
    env = SERVICES[service]["environment"]
    assert foreign(stage, env) == []
    wanted = {
        "ingest": set(),
        "process": {"HOOKLINE_CONTACT_KEY"},
        "sink": {"HOOKLINE_DATABASE_URL"},
    }
    assert {name for name in OWNERS if name in env} == wanted[stage]


def test_the_sinks_see_no_shops() -> None:
    assert SERVICES["sinks"]["volumes"] == ["state:/var/lib/hookline"]


def test_the_state_folder_of_the_stages_outlives_their_containers() -> None:
    (folder,) = re.findall(r"HOOKLINE_STATE_DIR=(\S+)", (ROOT / "Dockerfile").read_text())
    for service in ("processors", "sinks"):
        assert f"state:{folder}" in SERVICES[service]["volumes"]


def test_without_its_secrets_it_refuses_and_names_the_command_that_writes_them() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses
        assert set(uses) == {':?run "make compose-env" once, which writes .env'}
    assert not re.search(r"^\s+HOOKLINE_CONTACT_KEY: \S*[0-9a-f]{16}", text, re.MULTILINE)


def urls(service: str) -> dict[str, str]:
    """Variable -> the user in its URL of PostgreSQL."""
    found = {}
    for name, value in SERVICES[service].get("environment", {}).items():
        if user := re.match(r"postgresql://(\w+):", value):
            found[name] = user[1]
    return found


def test_each_service_has_the_database_user_that_it_needs_and_no_other_secret() -> None:
    database = "HOOKLINE_DATABASE_URL"
    assert urls("init") == {database: "hookline"}
    assert urls("sinks") == {database: "hookline_sink"}
    assert urls("operator") == {
        database: "hookline_operator",
        READER_URL: "hookline_reader",
        CONTACTS_READER_URL: "hookline_contacts_reader",
    }
    assert urls("shops") == {database: "hookline_operator"}  # which counts dead letters
    assert urls("dashboard") == {database: "hookline_operator", READER_URL: "hookline_reader"}
    assert urls("notify") == {READER_URL: "hookline_reader"}
    for service in ("ingest", "processors"):
        environment = SERVICES[service]["environment"]
        assert not any("PASSWORD" in value for value in environment.values()), service
    of_grafana = SERVICES["grafana"]["environment"]
    assert {name for name, value in of_grafana.items() if "PASSWORD:" in value} == {
        "GF_SECURITY_ADMIN_PASSWORD", "READER_PASSWORD",
    }  # fmt: skip
    with_key = {
        n for n, s in SERVICES.items() if "HOOKLINE_CONTACT_KEY" in s.get("environment", {})
    }
    assert with_key == {"dashboard", "processors"}  # which hashes an address that is looked for
    assert SERVICES["registry"]["environment"]["APICURIO_DATASOURCE_USERNAME"] == "registry"


def test_what_is_closed_to_everybody_is_what_the_local_stack_closes() -> None:
    content = COMPOSE["configs"]["roles"]["content"]
    assert roles.CLOSED_FUNCTIONS.strip() in content
    assert set(re.findall(r"CREATE ROLE (hookline_\w+) LOGIN", content)) == set(roles.ALL)
    assert "$" not in content  # Compose would put a variable there


def test_a_secret_that_an_older_file_lacks_is_added(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOOKLINE_CONTACT_KEY=kept\nPOSTGRES_PASSWORD=kept too")
    wrote = compose_env(tmp_path)
    lines = (tmp_path / ".env").read_text().split("\n")
    assert lines[:2] == ["HOOKLINE_CONTACT_KEY=kept", "POSTGRES_PASSWORD=kept too"]
    added = dict(line.split("=") for line in lines[2:] if line)
    assert {name: len(value) for name, value in added.items()} == dict.fromkeys(PASSWORDS[1:], 32)
    assert all(f"added {name}" in wrote for name in PASSWORDS[1:])


def compose_env(folder: Path) -> str:
    for name in ("Makefile", ".env.example", "shops.example.toml"):
        (folder / name).write_text((ROOT / name).read_text())
    make = ["make", "--no-print-directory", "compose-env"]
    done = subprocess.run(make, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_the_command_writes_the_secrets_once_for_this_user_alone(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    first.mkdir()
    other.mkdir()
    wrote = compose_env(first)
    env = (first / ".env").read_text()
    again = compose_env(first)
    compose_env(other)

    values = dict(
        line.split("=", 1) for line in env.splitlines() if not line.startswith("#") and line
    )
    assert {name: len(values[name]) for name in SECRETS} == SECRETS
    Settings(contact_key=values["HOOKLINE_CONTACT_KEY"]).require_contact_key()
    assert values["INGRESS_BIND"] == "127.0.0.1:8080"
    assert (first / ".env").stat().st_mode & 0o077 == 0
    assert (first / ".env").read_text() == env
    assert "exists and is kept" in again
    assert (other / ".env").read_text() != env
    assert load(first / "shops" / "shops.toml") == load(ROOT / "shops.example.toml")
    assert not any(values[name] in wrote + again for name in SECRETS)


def test_the_secrets_are_in_no_commit_and_in_no_image() -> None:
    assert {"/.env", "/shops/"} <= set((ROOT / ".gitignore").read_text().split())
    assert {".env", "shops"} <= set((ROOT / ".dockerignore").read_text().split())
    example = (ROOT / ".env.example").read_text()
    for name in SECRETS:
        assert f"\n{name}=\n" in example


def test_the_file_says_which_compose_it_needs() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert all("content" in config for config in COMPOSE["configs"].values())
    for page in (text, (ROOT / "docs" / "operating.md").read_text()):
        assert "2.23.1" in page


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
