"""Where the running stack is: the ``run.json`` that ``hookline up`` leaves, else ``HOOKLINE_*``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hookline.errors import CommandError
from runtime.settings import Settings, from_env

DATA = Path(".hookline")

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
    """A stack to talk to. The readers' URLs are the read-only roles', where they are known."""

    settings: Settings
    ingress_url: str
    reader_url: str
    contacts_reader_url: str
    is_local: bool


def data_folder(data: Path | None, env: Mapping[str, str] = os.environ) -> Path:
    """The data folder meant: told, of the environment, or the default."""
    return data or Path(env.get("HOOKLINE_DATA", DATA))


def find(data: Path | None = None, env: Mapping[str, str] = os.environ) -> Place:
    """The stack of a data folder, or that of the environment where brokers are named there.

    Raises CommandError where neither is there.
    """
    if data is None and "HOOKLINE_BROKERS" in env:
        return _of_environment(env)
    from hookline.local.folder import Folder

    folder = data_folder(data, env)
    said = Folder(folder).read()
    if said is None:
        raise CommandError(
            f"no stack is up in {folder}: start one with `hookline up`, name its folder "
            "with --data, or set HOOKLINE_BROKERS and the like (docs/operating.md)"
        )
    settings = from_env({**env, **said["environment"]})
    return Place(
        settings,
        said["ingress_url"],
        said["reader_url"],
        said.get("contacts_reader_url", said["reader_url"]),
        is_local=True,
    )


def _of_environment(env: Mapping[str, str]) -> Place:
    settings = from_env(env)
    return Place(
        settings,
        env.get("HOOKLINE_INGRESS_URL", f"http://{settings.host}:{settings.port}"),
        env.get("HOOKLINE_READER_URL", settings.database_url),
        env.get("HOOKLINE_CONTACTS_READER_URL", settings.database_url),
        is_local=False,
    )
