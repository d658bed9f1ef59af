"""Memory that was freed is given back, also below what is still held."""

import ctypes
import subprocess
import sys

import pytest

from tests import ROOT

_MIB = 1 << 20
_BLOCKS = 50
_HELD = f"""
import psutil
from runtime.process import memory
{{settle}}
first = bytearray(30 * {_MIB})
del first  # by default only what is larger gets pages of its own from now on
blocks = [bytearray(2 * {_MIB}) for _ in range({_BLOCKS})]
del blocks[:-1]  # the last one stands above them
print(psutil.Process().memory_info().rss)
"""


def _held(settle: str) -> int:
    command = [sys.executable, "-c", _HELD.format(settle=settle)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library is not glibc: no mallopt"
)
def test_large_blocks_go_back_to_the_system_once_they_are_freed() -> None:
    kept, settled = _held(""), _held("memory.configure_malloc()")
    assert kept - settled > _BLOCKS * _MIB  # the half of what the blocks took
