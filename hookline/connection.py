"""Where the running stack is: the ``run.json`` that ``hookline up`` leaves, else ``HOOKLINE_*``."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hookline.errors import CommandError
from runtime.settings import Settings, from_env

DATA = Path(".hookline")
RUN_FILE = "run.json"

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder of `hookline up`. [default: $HOOKLINE_DATA, else .hookline]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """A stack to talk to. ``reader_url`` is the read-only role's, where one is known."""

    settings: Settings
    ingress_url: str
    reader_url: str
    is_local: bool


def data_folder(data: Path | None, env: Mapping[str, str] = os.environ) -> Path:
    """The data folder meant: told, of the environment, or the default."""
    return data or Path(env.get("HOOKLINE_DATA", DATA))


def find(data: Path | None = None, env: Mapping[str, str] = os.environ) -> Place:
    """The stack of a data folder, or that of the environment where brokers are named there.

    Raises CommandError where neither is there.
    """
    run_file = data_folder(data, env) / RUN_FILE
    if data is None and "HOOKLINE_BROKERS" in env:
        return _of_environment(env)
    try:
        said = json.loads(run_file.read_text())
    except FileNotFoundError as error:
        raise CommandError(
            f"no stack runs in {run_file.parent}: start one with `hookline up`, name its folder "
            "with --data, or set HOOKLINE_BROKERS and the like (docs/operating.md)"
        ) from error
    except ValueError as error:
        raise CommandError(f"{run_file} is not whole: start `hookline up` again") from error
    settings = from_env({**env, **said["environment"]})
    return Place(settings, said["ingress_url"], said["reader_url"], is_local=True)


def _of_environment(env: Mapping[str, str]) -> Place:
    settings = from_env(env)
    return Place(
        settings,
        env.get("HOOKLINE_INGRESS_URL", f"http://{settings.host}:{settings.port}"),
        env.get("HOOKLINE_READER_URL", settings.database_url),
        is_local=False,
    )
