"""Folders and files that only their owner may enter or read, whatever the umask."""

import os
import stat
from pathlib import Path
from typing import IO, Any

FOLDER, FILE = 0o700, 0o600
OTHERS = 0o077
"""The rights of everyone but the owner; also the umask of this program and its children."""


def create_folder(path: Path) -> None:
    """Create a folder and its missing parents, for its owner alone; one that exists stays.

    Raises PermissionError for a folder of another user in one where everybody may create some:
    that user chose what this process would read.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=FOLDER, exist_ok=True)
    if not missing and is_strangers(path):
        raise PermissionError(1, "another user's folder", str(path))


def is_strangers(path: Path) -> bool:
    """Whether a folder is another user's, in one where everybody may create some (/tmp)."""
    is_shared = path.parent.stat().st_mode & stat.S_ISVTX
    return bool(is_shared) and path.stat().st_uid not in {os.geteuid(), 0}


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file; one that is created is readable by its owner alone."""
    return open(path, mode, opener=_opener)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, FILE)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically. Only its owner may read it."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open_private(fresh, "x") as file:
        file.write(text)
    fresh.replace(path)


def close_to_others(path: Path) -> None:
    """Take every right of others from what is under ``path``, and from itself.

    What belongs to another account, or is gone meanwhile, is left; links are not followed.
    """
    _close(path)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            _close(Path(folder, name))


def _close(path: Path) -> None:
    try:
        found = path.lstat()
        if found.st_mode & OTHERS and not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    except OSError:
        return
