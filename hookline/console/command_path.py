"""How this program is typed in the present shell."""

import os
import shutil
import sys
from pathlib import Path


def command_path() -> str:
    """The command to type in this folder: the path, unless the shell finds this very file."""
    started = Path(sys.argv[0])
    if started.name != "hookline":
        return f"{os.path.relpath(sys.executable)} -m hookline"
    on_path = shutil.which("hookline")
    if on_path and os.path.realpath(on_path) == os.path.realpath(started):
        return "hookline"
    return os.path.relpath(started)
