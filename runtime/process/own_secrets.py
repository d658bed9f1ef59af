"""Each stage has its own secrets and no others': who breaks into one has broken into one."""

import os
from collections.abc import Iterable, Mapping

from runtime.settings import Settings, SettingsError
from schemas.shops import Shop

STAGES = ("ingest", "process", "sink")
OWNERS: Mapping[str, frozenset[str]] = {
    "HOOKLINE_CONTACT_KEY": frozenset({"process"}),
    "HOOKLINE_CONTACT_KEY_BEFORE": frozenset({"process"}),
    "HOOKLINE_CONTACTS_READER_URL": frozenset(),
    "HOOKLINE_DASHBOARD_PASSWORD_HASH": frozenset(),
    "HOOKLINE_DATABASE_URL": frozenset({"sink"}),
    "HOOKLINE_NOTIFY_SECRET": frozenset(),
    "HOOKLINE_NOTIFY_SMTP_URL": frozenset(),
    "HOOKLINE_NOTIFY_URL": frozenset(),
    "HOOKLINE_READER_URL": frozenset(),
    "HOOKLINE_REGISTRY_PASSWORD": frozenset({"process", "sink"}),
    "HOOKLINE_SASL_PASSWORD": frozenset(STAGES),
    "HOOKLINE_SSL_KEY_PASSWORD": frozenset(STAGES),
    "PGPASSWORD": frozenset({"sink"}),
}
"""Variable with a secret -> the stages that need it. The shops' secrets are the ingress's."""

_NEEDED = (
    "COVERAGE", "HOME", "LANG", "LC_", "LD_LIBRARY_PATH", "LOGNAME", "MALLOC_", "PATH", "PYTHON",
    "SSL_CERT_", "TEMP", "TMP", "TZ", "USER", "VIRTUAL_ENV", "XDG_",
)  # fmt: skip
"""How the variables begin that a child without secrets of shops gets from its parent."""


def foreign(stage: str, env: Mapping[str, str] = os.environ) -> list[str]:
    """Return the variables that hold a secret which the stage does not need."""
    return [name for name, owners in OWNERS.items() if stage not in owners and env.get(name)]


def refuse_foreign(stage: str, env: Mapping[str, str] = os.environ) -> None:
    """Raise SettingsError where the stage was given a secret that it does not need."""
    if names := foreign(stage, env):
        raise SettingsError(_sentence(stage, names))


def refuse_shop_secrets(shops: Iterable[Shop], env: Mapping[str, str] = os.environ) -> None:
    """Raise SettingsError where a processor was given secrets of shops: it checks no proof."""
    if names := sorted(name for name in shop_variables(shops) if env.get(name)):
        raise SettingsError(f"{_sentence('process', names)}; the ingress checks the proofs")


def shop_variables(shops: Iterable[Shop]) -> set[str]:
    """Return the variables that shops refer to as their secrets (``env:NAME``)."""
    references = (reference.partition(":") for shop in shops for reference in shop.secrets)
    return {name for kind, colon, name in references if colon and kind == "env"}


def child_environment(
    stage: str, settings: Settings, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment of a stage that we start: its settings, and what programs need."""
    return {**inherited_variables(stage, inherited), **own_variables(stage, settings)}


def own_variables(stage: str, settings: Settings) -> dict[str, str]:
    """Return the settings as variables, without secrets that the stage does not need."""
    return _own(stage, settings.environment())


def inherited_variables(stage: str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what a stage takes over of its parent's environment, settings of ours apart.

    The ingress takes over everything but secrets of others, since shops refer to variables.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith("HOOKLINE_") and (stage == "ingest" or name.startswith(_NEEDED))
    }
    return _own(stage, kept)


def _own(stage: str, variables: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in variables.items() if stage in OWNERS.get(name, (stage,))}


def _sentence(stage: str, names: list[str]) -> str:
    are, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return (
        f"{' and '.join(names)} {are} set, but `hookline {stage}` does not need {them}: unset"
        f" {them} for this stage, since each stage has its own secrets and no others'"
    )
