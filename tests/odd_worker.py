"""The real processor with an adapter that dies, hangs or waits where a body asks for it.

Started by tests as ``python -P -c`` (``ENTRY``), never shipped: the stage itself has no such door.
"""

import os
import re
import time
from dataclasses import replace
from pathlib import Path

from processors import agent
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from runtime.settings import from_env
from schemas.envelopes import Reject

KILLS = b'"kills-its-worker"'
LOOPS = b'"loops-in-c-for-ever"'
WAITS = b'"waits-for-ever"'

_ROOT = str(Path(__file__).parents[1])
_CODE = f"import sys; sys.path.insert(0, {_ROOT!r}); from tests.odd_worker import main; main()"
ENTRY = ("-c", _CODE)


def parse(delivery: Delivery) -> Parsed | Reject:
    if KILLS in delivery.body:
        os._exit(9)
    if LOOPS in delivery.body:
        re.match(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter's lock for years
    if WAITS in delivery.body:
        time.sleep(3600)
    return ADAPTERS["run-free"].parse(delivery)


def main() -> None:
    odd = {**ADAPTERS, "run-free": replace(ADAPTERS["run-free"], parse=parse)}
    agent.run(from_env(), agent.Processors(odd))
