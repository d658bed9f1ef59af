"""SHA-256 of everything that the local servers download, kept in the repository.

``downloads.json`` holds for each part its files, and for an archive also the digest of the folder
that comes out of it. ``python -m tests.downloads`` writes it when a version changes.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("downloads.json")
FOLDER = "."
"""The name under which the digest of a part's whole folder is kept."""


@functools.cache
def known() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return part -> file -> ``sha256``, and ``maven``: its coordinates."""
    content: dict[str, Any] = json.loads(FILE.read_text())
    return content


def of_file(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_folder(folder: Path) -> str:
    """Hash the names and the content of all files under a folder."""
    lines = (f"{of_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder))
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[64:])).encode()).hexdigest()


def problem_of_file(part: str, path: Path) -> str | None:
    """Compare a downloaded file with its known hash; what is wrong, or None."""
    wanted = known().get(part, {}).get(path.name, {}).get("sha256")
    if wanted is None:
        return f"{path.name} is not a file of {part}"
    if (found := of_file(path)) != wanted:
        return f"{path.name} has the hash {found}, not {wanted}"
    return None


def problem_of_folder(part: str, folder: Path) -> str | None:
    """Compare a part's folder with its known hashes; what is wrong, or None."""
    wanted = known().get(part, {})
    if FOLDER in wanted:
        found = of_folder(folder)
        if found != wanted[FOLDER]["sha256"]:
            return f"its files have the hash {found}, not {wanted[FOLDER]['sha256']}"
        return None
    files = _files(folder)
    if missing := sorted(wanted.keys() - {path.name for path in files}):
        return f"{missing[0]} is missing"
    return next((why for path in files if (why := problem_of_file(part, path))), None)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())
