"""``hookline up --detach``: the same command in the background, until it is up."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hookline.local.folder import Folder
from hookline.local.process import tail
from hookline.local.servers.server import LocalError
from hookline.local.up import Report
from runtime.process.private_files import OTHERS, create_folder, open_private


def start_detached(data: Path, arguments: Sequence[str], report: Report) -> dict[str, Any]:
    """Start `hookline up` in the background and return its run.json once it is up.

    Raises LocalError with the end of its log if it exits instead.
    """
    folder = Folder(data)
    if (owner := folder.owner()) is not None:
        raise folder.runs_already(owner)
    log = folder.path / "logs" / "up.log"
    folder.create()
    create_folder(log.parent)
    with open_private(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hookline", "up", "--data", str(folder.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=OTHERS,
        )
    report(f"starting; it logs to {log}")
    reported = None

    def started() -> dict[str, Any] | None:
        if process.poll() is not None:
            code = process.returncode
            raise LocalError(f"it exited with {code} while starting:\n{tail(log, 25)}")
        run = folder.read()
        return run if run is not None and run["pid"] == process.pid else None

    while (run := started()) is None:
        step = folder.step()
        if step is not None and step != reported:
            report(step)
            reported = step
        time.sleep(0.2)
    # It outlives us; Popen would warn about a child that is still running.
    process.returncode = 0
    return run
