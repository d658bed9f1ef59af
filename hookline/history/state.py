"""How far an import has come, in a file beside: killed and started again, it goes on from there."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from hookline.console.errors import CommandError

Ranges = dict[int, list[list[int]]]
"""Partition of the raw topic -> ranges of offsets (first, last) that the import wrote."""

SHOWN_ROWS = 1_000
"""Refused rows that the receipt names."""


class State(msgspec.Struct):
    """The rows up to ``row`` are acknowledged, refused or skipped; ``ranges``: where they are.

    ``counts_all``: each acknowledgement had its offset. ``since_ms``: when the import began.
    """

    import_id: str
    key: str
    since_ms: int
    row: int = 0
    written: int = 0
    refused: dict[str, int] = {}
    refused_rows: list[tuple[int, str]] = []
    ranges: Ranges = {}
    counts_all: bool = True
    is_complete: bool = False

    def pass_rows(self, row: int, written: int, refused: Sequence[tuple[int, str]]) -> None:
        """Count the rows up to ``row``, all of which are written or refused.

        Refused ones count here and not when they are read: after a kill they are read again.
        """
        self.row = max(self.row, row)
        self.written += written
        for number, reason in refused:
            self.refused[reason] = self.refused.get(reason, 0) + 1
            if len(self.refused_rows) < SHOWN_ROWS:
                self.refused_rows.append((number, reason))

    def add_range(self, partition: int, first: int, last: int) -> None:
        """Add what one acknowledged batch holds."""
        found = self.ranges.setdefault(partition, [])
        if found and found[-1][1] + 1 == first:
            found[-1][1] = last
        else:
            found.append([first, last])


class StateFile:
    """The state of one import: of the same files, shop and options."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self._key = path, key

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from this import. Raises CommandError where another process runs it.

        The lock is on a file beside, since a new one replaces the state with each write.
        """
        path = self.path.with_name(self.path.name + ".lock")
        try:
            self._make_folder()
            lock = path.open("ab")
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CommandError(
                    f"another import of the same files is running ({path} is locked): wait until"
                    " it ends, or stop it"
                ) from error
            except OSError as error:
                raise CommandError(f"{path} cannot be locked: {error.strerror}") from error
            yield

    def _make_folder(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self) -> State | None:
        """Return where an unfinished import stopped. Raises CommandError for another's file."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CommandError(f"{self.path}: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise CommandError(f"{self.path} is no state of an import: remove it") from error
        if state.is_complete:
            return None
        if state.key != self._key:
            raise CommandError(
                f"{self.path} is of another import, or its files have changed since: name another"
                " --state, or remove it to begin again"
            )
        return state

    def write(self, state: State) -> None:
        """Replace the file, so that a kill leaves the old one or the new one."""
        try:
            self._make_folder()
            new = self.path.with_name(self.path.name + ".new")
            with new.open("wb") as file:
                file.write(msgspec.json.encode(state))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise CommandError(f"{self.path}: {error.strerror}") from error


def key_of(
    shop: str, paths: Sequence[Path], options: Sequence[Any], mapping: Path | None = None
) -> str:
    """Return what identifies an import: its shop, its files as they are, its options.

    Of a mapping the content counts: corrected, it makes other objects of the same rows.
    """
    hashed = hashlib.blake2b(digest_size=12)
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        hashed.update(f"{path.resolve()} {found.st_size} {found.st_mtime_ns}\n".encode())
    try:
        content = None if mapping is None else mapping.read_bytes()
    except OSError as error:
        raise CommandError(f"{mapping}: {error.strerror}") from error
    hashed.update(repr((shop, options, content)).encode())
    return hashed.hexdigest()
