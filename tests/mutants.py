"""Mutation testing: ``make mutants``, or ``python -m tests.mutants MODULE ...``.

cosmic-ray makes the mutants; each is tried in a fork that has every library loaded already, its
source given to the import system in memory: no file is written. Exits with 1 if a module falls
below the bar.
"""

import difflib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

BAR = 0.85
TESTS = {
    "ingest/signatures.py": ["tests/unit/ingest/test_signatures.py"],
    "processors/dedupe.py": ["tests/unit/processors/test_dedupe.py"],
    "processors/sources/run_free.py": [
        "tests/unit/processors/sources/test_run_free.py",
        "tests/unit/repository/test_examples.py",
        *("-k", "run_free or run-free"),
    ],
}
"""Module -> the tests that must notice, as pytest is told them."""

LIBRARIES = [
    "pytest",
    "pytest_asyncio",
    "hypothesis",
    "hypothesis.strategies",
    "msgspec",
    "fastavro",
    "httpx",
    "aiokafka",
    "faust",
    "starlette.applications",
    "uvicorn",
    "numpy",
    "psycopg",
    "structlog",
    "prometheus_client",
    "defusedxml.ElementTree",
]
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "--timeout=0", "-W", "ignore"]
"""Libraries loaded before pytest warn that their assertions are not rewritten: ignored."""

ROOT = Path(__file__).parents[1]


class Mutant(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives one module another source."""

    def __init__(self, file: str, source: str) -> None:
        self.name = file.removesuffix(".py").replace("/", ".")
        self.source = source

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def get_source(self, _fullname: str) -> str:
        return self.source


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(operator, mutated source) of every mutant."""
    from cosmic_ray import plugins  # noqa: PLC0415 - only who runs this needs it
    from cosmic_ray.ast import ast_nodes, get_ast  # noqa: PLC0415
    from cosmic_ray.mutating import mutate_code  # noqa: PLC0415

    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if operator.arguments():
            continue
        nodes = ast_nodes(get_ast(source))
        count = sum(len(list(operator().mutation_positions(node))) for node in nodes)
        for occurrence in range(count):
            changed = mutate_code(source, operator(), occurrence)
            if changed is not None and changed != source:
                yield name.removeprefix("core/"), changed


def passes(file: str, source: str, patience: float) -> bool:
    """Whether the module's tests pass with this source; not, if they take longer than that."""
    import pytest  # noqa: PLC0415 - loaded already, by name

    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.setpgid(0, 0)
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, Mutant(file, source))
        code = 1
        try:
            code = pytest.main([*OPTIONS, *TESTS[file]])
        finally:
            os._exit(int(code))
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def rate(file: str) -> float:
    """The share of a module's mutants that its tests kill; those that survive are printed."""
    source = (ROOT / file).read_text()
    began = time.monotonic()
    if not passes(file, source, 600):
        raise SystemExit(f"{file}: its tests fail without a mutation")
    patience = 30 + 10 * (time.monotonic() - began)
    tried = killed = 0
    for operator, changed in mutants(source):
        tried += 1
        if not passes(file, changed, patience):
            killed += 1
            continue
        lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0, lineterm="")
        print(f"survives: {operator}", *list(lines)[2:], sep="\n  ", flush=True)
    print(f"{file}: {killed} of {tried} mutants killed, {killed / tried:.1%}", flush=True)
    return killed / tried


def main(files: list[str]) -> int:
    """Tries the modules named, or all."""
    os.chdir(ROOT)
    for library in LIBRARIES:
        importlib.import_module(library)
    return int(min([rate(file) for file in files or TESTS]) < BAR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
