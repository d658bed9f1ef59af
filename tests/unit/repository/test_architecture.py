"""ARCHITECTURE.md and docs/glossary.md name files and functions that exist."""

import ast
import re
from functools import cache

import pytest

from tests import ROOT

PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "docs/glossary.md")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md|toml))`")
OURS = {path.name for path in ROOT.iterdir() if path.is_dir()}
NAMED = re.compile(r"`([\w/]+\.py)` `([\w.]+)`")


def text(page: str) -> str:
    return (ROOT / page).read_text()


@cache
def definitions(path: str) -> set[str]:
    """Functions, classes and methods of a module: ``f``, ``C``, ``C.f``."""
    found = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if hasattr(inner, "name")}
    return found


PATHS = sorted(
    {
        (page, path)
        for page in PAGES
        for path in PATH.findall(text(page))
        if "*" not in path and path.partition("/")[0] in OURS
    }
)
FUNCTIONS = sorted({pair for page in PAGES for pair in NAMED.findall(text(page))})


@pytest.mark.parametrize(("page", "path"), PATHS)
def test_a_path_that_a_page_names_exists(page: str, path: str) -> None:
    assert (ROOT / path).exists(), f"{page} names {path}"


@pytest.mark.parametrize(("path", "name"), FUNCTIONS)
def test_a_function_that_a_page_names_is_defined_in_its_file(path: str, name: str) -> None:
    assert name in definitions(path)


def test_the_way_of_a_delivery_leads_through_every_stage() -> None:
    assert len(FUNCTIONS) >= 15
    assert {path.partition("/")[0] for path, _ in FUNCTIONS} >= {
        "ingest", "processors", "runtime", "schemas", "sinks",
    }  # fmt: skip
