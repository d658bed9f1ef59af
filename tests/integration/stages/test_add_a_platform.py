"""docs/add-a-platform.md, executed in a copy of the repository.

Its blocks are written, added and run in order.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "add-a-platform.md").read_text()
COPIED = (
    "schemas", "runtime", "ingest", "processors", "sinks", "hookline", "tests",
    "docs", "pyproject.toml", "shops.example.toml", "shops.reference.toml", "README.md",
)  # fmt: skip
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "faults", "bench", "e2e", "node_modules")


@dataclass(frozen=True)
class Copy:
    """A copy of the repository, without its environment."""

    root: Path

    def follow(self, language: str, name: str, text: str) -> None:
        if language == "sh":
            for line in text.splitlines():
                self.run(line)
        elif language == "diff":
            self.add(self.root / name, text)
        else:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            assert not path.exists(), "a block with a file's name is a new file"
            path.write_text(text)

    def add(self, path: Path, diff: str) -> None:
        """Insert the lines with a plus after those before them, which occur once in the file."""
        lines = diff.splitlines(keepends=True)
        assert {line[0] for line in lines} == {" ", "+"}
        before = "".join(line[1:] for line in lines if line[0] == " ")
        after = "".join(line[1:] for line in lines)
        old = path.read_text()
        assert old.count(before) == 1
        path.write_text(old.replace(before, after))

    def run(self, line: str) -> str:
        """Return the output of a command of the page; it must exit with 0."""
        program, *arguments = shlex.split(line)
        start = {"python": [], "hookline": ["-m", "hookline"]}[program]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
        # The copy comes before the packages that are installed from the repository itself.
        environment = {**inherited, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(
            [sys.executable, *start, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the repository in which the whole page was executed."""
    copy = Copy(tmp_path_factory.mktemp("copy"))
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy.root / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, copy.root / name)
    for block in BLOCK.finditer(PAGE):
        copy.follow(*block.groups(default=""))
    return copy


def test_the_page_takes_one_row_one_adapter_and_one_folder_of_examples() -> None:
    named = [block[2] for block in BLOCK.finditer(PAGE) if block[2]]
    examples = [name for name in named if name.startswith("tests/examples/teahouse/")]
    assert [name for name in named if name not in examples] == [
        "schemas/platforms.py",
        "processors/sources/teahouse.py",
    ]


def test_the_copy_runs_its_own_code(followed: Copy) -> None:
    printed = followed.run("python -c 'import schemas.platforms as p; print(p.__file__)'")
    assert Path(printed.strip()) == followed.root / "schemas" / "platforms.py"


def test_a_delivery_of_the_sixth_platform_becomes_its_event(followed: Copy) -> None:
    (event,) = json.loads(
        followed.run("python -m tests.one_delivery shops.toml teahouse order-paid")
    )
    order = event["record"]
    assert (event["topic"], event["slot"]) == ("hookline.orders", "order")
    assert order["meta"]["entity"] == "teahouse/amsterdam/order:90071992547409931"
    assert order["meta"]["settings"]["timezone"] == "Europe/Amsterdam"
    assert (order["order_id"], order["status"]) == ("90071992547409931", "PAID")
    assert (order["total"], order["shipping_total"], order["currency"]) == (
        "21.7000", "4.9000", "EUR",
    )  # fmt: skip
    assert [(line["quantity"], line["line_total"]) for line in order["items"]] == [(2, "16.8000")]
    assert order["attributes"] == {"gift_wrapped": "true"}


def test_its_examples_are_tested_as_those_of_the_others_are(followed: Copy) -> None:
    printed = followed.run(
        "python -m pytest tests/unit/repository/test_examples.py -k teahouse -q -p no:cacheprovider"
    )
    assert int(re.findall(r"(\d+) passed", printed)[0]) >= 4 * 5


def test_an_event_without_an_example_fails_the_tests(followed: Copy) -> None:
    adapter = followed.root / "processors" / "sources" / "teahouse.py"
    original = adapter.read_text()
    try:
        adapter.write_text(original.replace('{"cart.changed"}', '{"cart.changed", "cart.emptied"}'))
        with pytest.raises(AssertionError, match=r"cart\.emptied"):
            followed.run(
                "python -m pytest tests/unit/repository/test_examples.py"
                " -k every_event -q -p no:cacheprovider"
            )
    finally:
        adapter.write_text(original)


def test_the_shop_is_listed_and_the_tables_know_what_its_platform_provides(followed: Copy) -> None:
    (shop,) = json.loads(followed.run("hookline shops list --file shops.toml --json"))
    assert (shop["url"], shop["proof"]) == (
        "https://<host>/hooks/teahouse/amsterdam", "hmac-sha256-hex",
    )  # fmt: skip
    printed = followed.run(
        "python -c 'from schemas.platforms import providing; print(sorted(providing(\"carts\")))'"
    )
    assert "teahouse" in printed


def test_the_adapter_of_the_page_is_written_as_all_code_here_is(followed: Copy) -> None:
    adapter = "processors/sources/teahouse.py"
    followed.run(f"python -m ruff check --no-cache {adapter}")
    followed.run(f"python -m ruff format --no-cache --check {adapter} schemas/platforms.py")
