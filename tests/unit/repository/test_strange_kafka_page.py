"""What the docs quote of Hookline about Kafka is what the code says, and what it declares."""

import ast
from collections.abc import Iterator

import pytest

from runtime.kafka.cluster_checks import BROKER_SETTINGS, MAX_REPLICA_LAG_MS
from runtime.kafka.topic_checks import topic_configs
from runtime.settings import Settings
from schemas.topics import ALL, Topic
from sinks.watermark.watermark import REPLICA_LAG_MS
from tests import ROOT

PACKAGES = ("schemas", "runtime", "ingest", "processors", "sinks", "hookline")
OPERATING = (ROOT / "docs" / "operating.md").read_text()
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text()
SECTION = OPERATING.partition("## Kafka behaves strangely\n")[2].partition("\n## ")[0]
ROWS = [line.split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][1:]
SAID = [quoted for row in ROWS for quoted in row[1].split("`")[1::2] if " " in quoted]


def texts() -> Iterator[str]:
    """Every text in the code, with … for what is filled in."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "…"
                        for part in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


CODE = list(texts())


def test_each_row_quotes_something() -> None:
    assert len(ROWS) >= 15
    assert all("`" in row[1] for row in ROWS)
    assert len(SAID) >= len(ROWS)


@pytest.mark.parametrize("quoted", SAID)
def test_each_text_that_an_operator_is_shown_occurs_in_the_code(quoted: str) -> None:
    assert any(quoted in text for text in CODE)


def rows_of(header: str) -> list[list[str]]:
    """The cells of a table of docs/reliability.md, by the start of its header."""
    lines = RELIABILITY.partition(f"\n| {header}")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: topic.name)
def test_the_declared_settings_of_a_topic_are_the_documented_ones(topic: Topic) -> None:
    documented = {name: value for name, value, _ in rows_of("setting |")}
    [own] = [cells for name, *cells in rows_of("topic |") if name == topic.name]
    names = ("retention.ms", "segment.ms", "max.message.bytes", "cleanup.policy")
    documented |= {name: value for name, value in zip(names, own, strict=True) if value}
    assert documented == topic_configs(topic, Settings())


def test_the_settings_of_brokers_are_those_that_are_checked() -> None:
    documented = {name: value for name, value, _ in rows_of("brokers' setting |")}
    assert documented == {setting.name: setting.wanted for setting in BROKER_SETTINGS}


def test_the_watermark_waits_for_the_replica_lag_that_brokers_may_have() -> None:
    assert MAX_REPLICA_LAG_MS == REPLICA_LAG_MS
