"""The table of rights against what the code declares, and its three forms."""

import itertools
import json
import shlex

import pytest
import yaml
from typer.testing import CliRunner

from hookline.acls import formats
from hookline.acls.formats import User
from hookline.acls.rights import CLUSTER, EVERY_TOPIC, GRANTS, TOPIC, Right, rights
from hookline.cli import app
from processors.agent import Processors
from schemas.topics import ALL, Topic
from sinks.agent import Sinks
from tests import rights_page

PREFIX = "shop_"
ROLES = list(GRANTS)
IMPLIED = {"Read": "Describe", "Write": "Describe", "AlterConfigs": "DescribeConfigs"}


def triples(found: list[Right]) -> set[tuple[str, str, str, bool]]:
    return {(each.operation, each.resource, each.name, each.is_prefix) for each in found}


@pytest.mark.parametrize(("role", "stage"), [("process", Processors), ("sink", Sinks)])
def test_a_stage_checks_the_topics_of_its_rights_and_names_one_of_them(
    role: str, stage: type[Processors | Sinks]
) -> None:
    on_topics = [each for each in rights(role) if each.resource == TOPIC]
    assert {topic.name for topic in stage.used} == {each.name for each in on_topics}
    for topic, operation in stage.used.items():
        assert (operation, topic.name) in {(each.operation, each.name) for each in on_topics}
        assert ("DescribeConfigs", topic.name) in {(e.operation, e.name) for e in on_topics}


def test_every_topic_is_written_by_exactly_the_stages_that_it_is_declared_for() -> None:
    writers = {
        topic.name: {
            role
            for role in ("ingest", "process", "sink")
            if ("Write", topic.name) in {(each.operation, each.name) for each in rights(role)}
        }
        for topic in ALL
    }
    declared = {"ingest": "ingest", "processors": "process", "sinks": "sink"}
    for topic in ALL:
        stages = [declared[each] for each in topic.writer.split(", ") if each in declared]
        assert writers[topic.name] == set(stages), topic.name


@pytest.mark.parametrize("role", ["ingest", "process", "sink"])
def test_no_right_of_a_stage_is_implied_by_another_or_given_twice(role: str) -> None:
    found = rights(role)
    held = triples(found)
    assert len(held) == len(found)
    for each in found:
        implied = IMPLIED.get(each.operation)
        assert (implied, each.resource, each.name, each.is_prefix) not in held
        assert not each.is_prefix


def test_an_analyst_has_no_right_and_no_stage_may_change_a_topic() -> None:
    assert rights("analyst") == []
    for role in ("ingest", "process", "sink", "operator"):
        operations = {each.operation for each in rights(role)}
        assert operations <= {"Read", "Write", "Describe", "DescribeConfigs"}


def test_names_have_the_prefix_and_the_cluster_has_none() -> None:
    for role in ROLES:
        for each in rights(role, PREFIX):
            assert each.name.startswith(PREFIX) is (each.resource != CLUSTER)
    assert {each.name for each in rights("setup", PREFIX)} == {f"{PREFIX}{EVERY_TOPIC}"}


def from_kafka_acls(text: str) -> set[tuple[str, str, str, bool]]:
    found = set()
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        operations = [b for a, b in itertools.pairwise(words) if a == "--operation"]
        for kind in ("topic", "group"):
            for name in [b for a, b in itertools.pairwise(words) if a == f"--{kind}"]:
                found |= {(each, kind, name, "prefixed" in words) for each in operations}
        if "--cluster" in words:
            found |= {(each, "cluster", "", False) for each in operations}
    return found


def from_rpk(text: str) -> set[tuple[str, str, str, bool]]:
    found = set()
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        options = dict(itertools.pairwise([*words, ""]))
        operations = [
            "".join(part.capitalize() for part in each.split("_"))
            for each in options.get("--operation", "").split(",")
        ]
        for kind in ("topic", "group"):
            names = options[f"--{kind}"].split(",") if f"--{kind}" in options else []
            found |= {(op, kind, name, "prefixed" in words) for op in operations for name in names}
        if "--cluster" in words:
            found |= {(each, "cluster", "", False) for each in operations}
    return found


def from_strimzi(text: str) -> set[tuple[str, str, str, bool]]:
    return {
        (operation, on["type"], on.get("name", ""), on.get("patternType") == "prefix")
        for acl in yaml.safe_load(text)["spec"]["authorization"]["acls"]
        for on in [acl["resource"]]
        for operation in acl["operations"]
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_form_grants_exactly_the_rights_of_the_table(role: str) -> None:
    user = User(role, "CN=a user,O=it's", rights(role, PREFIX))
    wanted = triples(list(user.rights))
    assert from_kafka_acls(formats.kafka_acls(user, "kafka:9092")) == wanted
    assert from_strimzi(formats.strimzi(user, is_tls=True)) == wanted
    idempotence = {("IdempotentWrite", "cluster", "", False)}
    writes = any(each.operation == "Write" for each in user.rights)
    assert from_rpk(formats.redpanda(user)) == wanted | (idempotence if writes else set())
    shown = formats.as_json([user])
    assert len(shown) == len(user.rights)
    assert {each["principal"] for each in shown} <= {"User:CN=a user,O=it's"}


def test_a_user_is_one_argument_whatever_its_name() -> None:
    user = User("ingest", "CN=a b,O=$(id)", rights("ingest"))
    for text in (formats.kafka_acls(user, "kafka:9092"), formats.redpanda(user)):
        words = shlex.split(text, comments=True)
        assert words[words.index("--allow-principal") + 1] == "User:CN=a b,O=$(id)"
    resource = yaml.safe_load(formats.strimzi(user, is_tls=False))
    assert resource["metadata"]["name"] == "CN=a b,O=$(id)"
    assert resource["spec"]["authentication"] == {"type": "scram-sha-512"}


def test_the_command_prints_all_roles_or_those_asked_for() -> None:
    runner = CliRunner(env={"HOOKLINE_PREFIX": PREFIX, "HOOKLINE_BROKERS": "kafka:9092"})
    every = runner.invoke(app, ["acls", "--json"])
    roles = {each["role"] for each in json.loads(every.stdout)}
    assert roles == {role for role in ROLES if GRANTS[role]}
    one = runner.invoke(app, ["acls", "--principal", "sink=User:s", "--json"])
    assert {each["principal"] for each in json.loads(one.stdout)} == {"User:s"}
    text = runner.invoke(app, ["acls", "--principal", "ingest"]).stdout
    assert f"User:hookline-ingest --operation Write --topic {PREFIX}hookline.webhooks" in text
    documents = runner.invoke(app, ["acls", "--form", "strimzi"]).stdout
    assert len(list(yaml.safe_load_all(documents))) == len(ROLES)
    refused = runner.invoke(app, ["acls", "--principal", "boss"])
    assert "the role is one of ingest, process" in str(refused.exception)


def test_the_page_shows_the_table() -> None:
    assert rights_page.PAGE.read_text() == rights_page.page(), "python -m tests.rights_page"


def test_every_topic_of_ours_begins_as_the_prefixed_rights_do() -> None:
    assert all(isinstance(topic, Topic) and topic.name.startswith(EVERY_TOPIC) for topic in ALL)
