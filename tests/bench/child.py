"""A function run in a process of its own, bound to cores before it imports anything.

python -m tests.bench.child 1 tests.bench.build:ours '{"count": 1000}'
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def call(cores: frozenset[int], function: Callable[..., Any], **arguments: Any) -> Any:
    """What a function of a module of the bench returns, as JSON has it.

    Raises subprocess.CalledProcessError; its traceback is on stderr.
    """
    place = ",".join(map(str, sorted(cores)))
    name = f"{function.__module__}:{function.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.child", place, name, json.dumps(arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Be the child."""
    cores, name, arguments = sys.argv[1:]
    os.sched_setaffinity(0, map(int, cores.split(",")))
    module, _, function = name.partition(":")
    print(json.dumps(getattr(import_module(module), function)(**json.loads(arguments))))


if __name__ == "__main__":
    main()
