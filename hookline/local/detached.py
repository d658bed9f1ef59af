"""``hookline up --detach``: the same command in the background."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hookline.local.folder import Folder
from hookline.local.process import tail
from hookline.local.servers.server import LocalError


def start(data: Path, options: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Start `hookline up` in the background; what run.json says once it is up.

    Raises LocalError with its last words if it ends instead.
    """
    folder = Folder(data)
    if (owner := folder.owner()) is not None:
        raise LocalError(f"a stack runs in {folder.path} already (process {owner})")
    log = folder.path / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hookline", "up", "--data", str(folder.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    say(f"starting; its words go to {log}")
    while process.poll() is None:
        said = folder.read()
        if said is not None and said["pid"] == process.pid:
            process.returncode = 0  # it is meant to outlive us
            return said
        time.sleep(0.2)
    raise LocalError(f"it ended with {process.returncode} while starting:\n{tail(log, 25)}")
