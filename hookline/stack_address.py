"""Finds the stack to talk to: ``run.json`` of ``hookline up``, else ``HOOKLINE_*`` variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hookline.console.errors import CommandError
from runtime.settings import Settings, from_env

DATA = Path(".hookline")


@dataclass(frozen=True, slots=True)
class StackAddress:
    """Settings and URLs of a stack. Reader URLs are those of the read-only roles if known."""

    settings: Settings
    ingress_url: str
    reader_url: str
    contacts_reader_url: str


def data_folder(data: Path | None, env: Mapping[str, str] = os.environ) -> Path:
    """The data folder: as given, from the environment, or the default."""
    return data or Path(env.get("HOOKLINE_DATA", DATA))


def find_stack(data: Path | None = None, env: Mapping[str, str] = os.environ) -> StackAddress:
    """Find the stack of a data folder, or of the environment if that names brokers.

    Raises CommandError if there is neither.
    """
    if data is None and "HOOKLINE_BROKERS" in env:
        return _from_environment(env)
    from hookline.local.folder import Folder

    folder = data_folder(data, env)
    run = Folder(folder).read()
    if run is None:
        raise CommandError(
            f"no stack is up in {folder}: start one with `hookline up`, name its folder "
            "with --data, or set HOOKLINE_BROKERS and the like (docs/operating.md)"
        )
    settings = from_env({**env, **run["environment"]})
    return StackAddress(
        settings,
        run["ingress_url"],
        run["reader_url"],
        run.get("contacts_reader_url", run["reader_url"]),
    )


def _from_environment(env: Mapping[str, str]) -> StackAddress:
    settings = from_env(env)
    return StackAddress(
        settings,
        env.get("HOOKLINE_INGRESS_URL", f"http://{settings.host}:{settings.port}"),
        env.get("HOOKLINE_READER_URL", settings.database_url),
        env.get("HOOKLINE_CONTACTS_READER_URL", settings.database_url),
    )
