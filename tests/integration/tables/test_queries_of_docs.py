"""Every query of README and docs is planned by a migrated database, for the role that reads."""

from collections.abc import Iterator

import pytest

from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from tests.conftest import LiveStack, prepare
from tests.doc_blocks import Block, blocks, commands

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

NOT_PLANNED = {"docs/dbt/README.md": "statements of an administrator: test_dbt.py runs them"}
"""Page -> why its SQL is not planned."""
QUERIES = [block for block in blocks("sql") if block.page not in NOT_PLANNED]
OF_COMMANDS = [
    words[words.index("--sql") + 1]
    for block in blocks("sh")
    for words in commands(block.text)
    if "--sql" in words
]


@pytest.fixture(scope="module")
def reader(live_stack: LiveStack) -> Iterator[Reader]:
    settings = prepare(live_stack.settings())
    stack = StackAddress(settings, "", live_stack.reader_url, "")
    with Reader(stack) as reader:
        yield reader


@pytest.mark.parametrize("block", QUERIES, ids=str)
def test_a_query_of_a_page_is_planned(reader: Reader, block: Block) -> None:
    for statement in block.text.split(";\n"):
        if statement.strip():
            assert reader.query(f"EXPLAIN {statement}").rows


def test_what_is_not_planned_is_there_and_is_no_query() -> None:
    left_out = [block for block in blocks("sql") if block.page in NOT_PLANNED]
    assert {block.page for block in left_out} == set(NOT_PLANNED)
    assert not any(block.text.startswith(("SELECT", "WITH")) for block in left_out)


def test_a_query_inside_a_command_is_planned(reader: Reader) -> None:
    assert OF_COMMANDS
    for statement in OF_COMMANDS:
        assert reader.query(f"EXPLAIN {statement}").rows
