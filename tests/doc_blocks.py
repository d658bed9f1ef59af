"""The blocks of README and docs, and the commands of their shell blocks."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INNER = re.compile(r"[$<]\((hookline [^)]*)\)")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_SEPARATORS = frozenset({"|", "||", "&&", ";", "&", "(", ")", "then", "do", "exec"})
_REDIRECTED = frozenset({">", ">>", "<", "2>"})


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``page`` is below the repository; ``line`` is that of its fence."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """Name it in the id of a test."""
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages, page by page."""
    return [
        Block(str(page.relative_to(ROOT)), text.count("\n", 0, found.start()) + 1, *found.groups())
        for page in PAGES
        if "node_modules" not in page.parts
        for text in [page.read_text()]
        for found in _BLOCK.finditer(text)
        if found[1] in languages
    ]


def commands(script: str) -> Iterator[list[str]]:
    """Each simple command of a shell script as its words, without assignments and redirections.

    Commands inside ``$(…)`` and ``<(…)`` that are Hookline's are commands too.
    """
    for line in _logical_lines(script):
        for inner in _INNER.findall(line):
            yield from commands(inner)
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.commenters = "#"
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in _SEPARATORS:
                if words:
                    yield _without_redirections(words)
                words = []
            elif words or not _ASSIGNED.match(word):
                words.append(word)


def _logical_lines(script: str) -> Iterator[str]:
    """Lines, those joined that end in a backslash or inside quotes."""
    kept = ""
    for line in script.splitlines():
        kept += line.removesuffix("\\") if line.endswith("\\") else line
        if line.endswith("\\"):
            continue
        try:
            shlex.split(kept, comments=True)
        except ValueError:
            kept += "\n"
            continue
        yield kept
        kept = ""
    assert not kept.strip(), f"an open quote: {kept}"


def _without_redirections(words: list[str]) -> list[str]:
    """Words up to the first redirection; what follows it is a file."""
    return next((words[:n] for n, word in enumerate(words) if word in _REDIRECTED), words)


def hookline_arguments(words: list[str]) -> list[str] | None:
    """The arguments of ``hookline``, also in a container of docker-compose.yml; else None."""
    if Path(words[0]).name == "hookline":
        return words[1:]
    if words[:3] == ["docker", "compose", "run"]:
        rest = words[3:]
        while rest and rest[0].startswith("-"):
            rest = rest[2:] if rest[0] in ("--user", "-e", "-v") else rest[1:]
        return rest[1:]  # after the service
    return None
