"""Finds the stack to talk to: ``run.json`` of ``hookline up``, else ``HOOKLINE_*`` variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hookline.console.errors import CommandError
from runtime.settings import Settings, from_env

DATA = Path(".hookline")
READER_URL = "HOOKLINE_READER_URL"
CONTACTS_READER_URL = "HOOKLINE_CONTACTS_READER_URL"
METRICS = "HOOKLINE_METRICS"
CONTACT_KEYS = ("HOOKLINE_CONTACT_KEY", "HOOKLINE_CONTACT_KEY_BEFORE")
_READERS = (READER_URL, CONTACTS_READER_URL)


@dataclass(frozen=True, slots=True)
class StackAddress:
    """Settings and URLs of a stack; a URL that is not known is empty.

    ``settings`` are those of an operator's commands. Nothing reads but with a reader's URL, and
    only what makes tables uses ``owner``. ``metrics``: by worker, the URL of its metrics.
    """

    settings: Settings
    ingress_url: str
    reader_url: str
    contacts_reader_url: str
    owner_url: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> Settings:
        """The settings with the URL of the tables' owner: on a stack elsewhere the given one."""
        return replace(self.settings, database_url=self.owner_url or self.settings.database_url)


def data_folder(data: Path | None, env: Mapping[str, str] = os.environ) -> Path:
    """The data folder: as given, from the environment, or the default."""
    return data or Path(env.get("HOOKLINE_DATA", DATA))


def find_stack(data: Path | None = None, env: Mapping[str, str] = os.environ) -> StackAddress:
    """Find the stack of a data folder, or of the environment if that names brokers or a reader.

    Raises CommandError if there is neither.
    """
    # An analyst has a reader's URL and nothing of Kafka.
    if data is None and not env.keys().isdisjoint(("HOOKLINE_BROKERS", *_READERS)):
        return _from_environment(env)
    from hookline.local.folder import Folder, metrics_of

    folder = data_folder(data, env)
    run = Folder(folder).read()
    if run is None:
        raise CommandError(
            f"no stack is up in {folder}: start one with `hookline up`, name its folder "
            "with --data, or set HOOKLINE_BROKERS and the like (docs/operating.md)"
        )
    given = {name: env[name] for name in CONTACT_KEYS if env.get(name)}  # while it is rotated
    settings = from_env({**env, **run["environment"], **given})
    return StackAddress(
        settings,
        run["ingress_url"],
        run["reader_url"],
        run["contacts_reader_url"],
        run["owner_url"],
        metrics_of(run["ports"]),
    )


def _from_environment(env: Mapping[str, str]) -> StackAddress:
    settings = from_env(env)
    return StackAddress(
        settings,
        env.get("HOOKLINE_INGRESS_URL", f"http://{settings.host}:{settings.port}"),
        env.get(READER_URL, ""),
        env.get(CONTACTS_READER_URL, ""),
        metrics=_named(env.get(METRICS, "")),
    )


def _named(text: str) -> dict[str, str]:
    """Read ``sink=http://host:9000/metrics,…``; an URL without a name is its own name."""
    parts = (part.strip().partition("=") for part in text.split(",") if part.strip())
    return {name: url or name for name, _, url in parts}
