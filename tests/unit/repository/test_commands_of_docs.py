"""Every command and every block of README and docs is one that the repository takes today.

Shell blocks: Hookline's commands parse with the command line itself, ``make`` has the target, and
modules and files of tests exist. The commands of README are run by tests/e2e/test_readme.py, those
of docs/curl.md by tests/unit/repository/test_curl.py, the programs of docs/consuming.md by
tests/integration/neighbours/test_consuming.py, and the queries are planned by
tests/integration/tables/test_queries_of_docs.py.
"""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from tests import ROOT, named_commands
from tests.doc_blocks import PAGES, Block, blocks, commands, hookline_arguments
from tests.named_commands import refusal

SHELL = blocks("sh", "bash", "shell")
NOT_CHECKED = {
    "curl": "test_curl.py runs those of its page; test_dashboard.py asks the dashboard",
    "docker": "needs Docker; the compose file is held by test_compose.py",
    "jq": "a filter of ours for a reader's eyes",
    "openssl": "test_curl.py", "printf": "test_curl.py", "base64": "test_curl.py",
    "sed": "test_curl.py", "eval": "what it evaluates is checked", "source": "the same",
    "export": "a variable of the shell", "sleep": "waits",
    "pip": "another project's client", "pre-commit": "another project's command",
    "cp": "a copy of a folder, which is linked", "cd": "the copy", "dbt": "test_dbt.py runs it",
    "grep": "a filter of the tutorial, which is run", "head": "the same",
    "ssh": "a tunnel to a host of the reader's",
}  # fmt: skip
"""First word of a command -> why nothing is checked of it."""
_TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def fault(words: list[str]) -> str | None:
    """What is wrong with a command; None for one that is right, or whose first word is named."""
    name = Path(words[0]).name
    arguments = hookline_arguments(words)
    if arguments is not None:
        return refusal(arguments)
    if name == "make":
        given = [word for word in words[1:] if "=" not in word]
        return next((f"no target {word}" for word in given if word not in _TARGETS), None)
    if name == "python":
        return _of_python(words[1:])
    return None if name in NOT_CHECKED else f"{name} is neither checked nor in NOT_CHECKED"


def _of_python(words: list[str]) -> str | None:
    if words[:1] == ["-m"] and words[1].startswith("tests."):
        path = ROOT / words[1].replace(".", "/")
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
            return f"no module {words[1]}"
    paths = [word for word in words if word.startswith("tests/")]
    return next((f"no {path}" for path in paths if not (ROOT / path).exists()), None)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_of_a_shell_block_is_taken(block: Block) -> None:
    faults = [(words, why) for words in commands(block.text) if (why := fault(words))]
    assert faults == []


def test_the_blocks_are_found_with_their_commands() -> None:
    found = [words for block in SHELL for words in commands(block.text)]
    assert len(SHELL) >= 20
    assert sum(hookline_arguments(words) is not None for words in found) >= 30
    assert ["hookline", "status", "--env", "--stage", "process"] in found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    assert named_commands.missing(page.read_text()) == []


@pytest.mark.parametrize("block", blocks("json", "toml", "python"), ids=str)
def test_every_document_and_program_parses(block: Block) -> None:
    parse = {"json": json.loads, "toml": tomllib.loads, "python": ast.parse}[block.language]
    parse(block.text)


def test_yaml_has_no_block_that_nothing_parses() -> None:
    assert blocks("yaml", "yml") == []


@pytest.mark.parametrize(
    "wrong",
    [
        "hookline no-such-command", "hookline tables --no-such-option", "hookline dead",
        "hookline journey", "hookline listen --count many", "hookline tables nothing",
        "make no-such-target", "python -m tests.no_such_module", "python -m pytest tests/none.py",
        "no-such-program", "X=1 hookline up --workers 100 && sleep 1",
        'eval "$(hookline status --no-such-option)"', "docker compose run --rm op dead nothing",
    ],
)  # fmt: skip
def test_a_wrong_command_is_noticed(wrong: str) -> None:
    assert any(fault(words) for words in commands(wrong))


@pytest.mark.parametrize(
    "right",
    [
        "hookline --version", "hookline tables carts --json | jq .", "hookline tables --watch",
        "A=1 B=2 hookline people rotate-key", "hookline topics --json > topics.json",
        "hookline send run-free order-created \\\n  --set data.id=1   # sends it",
        "make test ARGS=\"-k 'a and b'\"", "hookline simulate --help",
    ],
)  # fmt: skip
def test_a_right_command_is_taken(right: str) -> None:
    assert [fault(words) for words in commands(right) if fault(words)] == []
