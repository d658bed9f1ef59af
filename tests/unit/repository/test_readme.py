"""What README and docs say is what there is."""

import re
from dataclasses import MISSING, fields

import typer.main

from hookline.cli import app
from runtime.settings import Settings
from schemas.shops import SOURCES
from tests import ROOT

README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
CONSUMING, CURL = ((ROOT / "docs" / name).read_text() for name in ("consuming.md", "curl.md"))
DOCS = [README, OPERATING, CONSUMING, CURL]


def test_the_first_screen_shows_pipeline_the_two_commands_and_the_tables() -> None:
    first = README[: README.index("## ")]
    for part in ("```mermaid", "make demo", "make test", "abandoned_carts", "customer_lifetime"):
        assert part in first


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    told = dict(re.findall(r"^\| `HOOKLINE_(\w+)` \|(.*?)\|", OPERATING, re.MULTILINE))
    assert list(told) == [item.name.upper() for item in fields(Settings)]
    for item in fields(Settings):
        if item.default is MISSING:
            continue  # state_dir: differs by machine
        default = item.default
        expected = f"`{default}`" if default not in (None, "") else ""
        assert told[item.name.upper()].strip() == expected, item.name


def test_every_command_that_is_named_exists() -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", {}))
    for text in DOCS:
        for name in re.findall(r"(?:^|`)hookline ([a-z-]+)", text, re.MULTILINE):
            assert name in known, name


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in re.findall(r"^make ([a-z]+)", README, re.MULTILINE):
        assert name in targets


def test_every_platform_has_its_row() -> None:
    rows = README[README.index("## Point a platform") : README.index("Try it without")]
    for source in SOURCES:
        assert source.replace("-", " ").split()[0] in rows.lower()


def test_every_file_that_is_linked_is_there() -> None:
    for text, folder in zip(DOCS, (ROOT, *[ROOT / "docs"] * 3), strict=True):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (folder / target).exists(), target
