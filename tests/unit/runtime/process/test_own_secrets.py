"""Each stage has its own secrets; what it does not need is refused by name."""

from dataclasses import fields, replace

import pytest

from runtime import settings as runtime_settings
from runtime.process.own_secrets import (
    OWNERS,
    STAGES,
    child_environment,
    foreign,
    refuse_foreign,
    refuse_shop_secrets,
)
from runtime.settings import Settings, SettingsError
from schemas.shops import Shop

SHOPS = [
    Shop(source="spiffy", id="johns", secrets=("env:SECRET_OF_JOHNS", "file:/run/secret")),
    Shop(source="gooten", id="prints", secrets=("env:", "a token itself")),
]
SETTINGS = Settings(
    contact_key="the contact key of this test",
    database_url="postgresql://db/hookline",
    registry_password="the registry's",
    sasl_password="the broker's",
    ssl_key_password="the key's",
)
HAS = {
    "ingest": {"the broker's", "the key's"},
    "process": {"the broker's", "the key's", "the registry's", SETTINGS.contact_key},
    "sink": {"the broker's", "the key's", "the registry's", SETTINGS.database_url},
}
INHERITED = {
    "PATH": "/bin", "LC_ALL": "C.UTF-8", "SECRET_OF_JOHNS": "of a shop", "PGPASSWORD": "of a user",
    "HOOKLINE_READER_URL": "postgresql://reader:word@db/hookline", "AWS_SECRET_ACCESS_KEY": "aws",
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", OWNERS)
def test_a_stage_takes_its_own_secrets_and_refuses_others_by_name(stage: str, name: str) -> None:
    env = {name: "a secret value"}
    if stage in OWNERS[name]:
        refuse_foreign(stage, env)
        return
    with pytest.raises(SettingsError, match=f"^{name} is set, but `hookline {stage}`") as refused:
        refuse_foreign(stage, env)
    assert "a secret value" not in str(refused.value)
    refuse_foreign(stage, {name: ""})


def test_all_that_a_stage_does_not_need_are_named_in_one_sentence() -> None:
    with pytest.raises(SettingsError, match="CONTACT_KEY and HOOKLINE_DATABASE_URL are set"):
        refuse_foreign("ingest", {"HOOKLINE_DATABASE_URL": "x", "HOOKLINE_CONTACT_KEY": "y"})


def test_every_setting_that_is_not_shown_has_its_stages() -> None:
    hidden = {f"HOOKLINE_{item.name.upper()}" for item in fields(Settings) if not item.repr}
    others = {name for name in runtime_settings.OTHER_NAMES if name.endswith(("_URL", "_SECRET"))}
    public = {"HOOKLINE_DASHBOARD_URL", "HOOKLINE_INGRESS_URL"}
    assert hidden | (others - public) == OWNERS.keys() - {"PGPASSWORD"}


def test_a_processor_refuses_the_secrets_of_shops_that_its_environment_holds() -> None:
    refuse_shop_secrets(SHOPS, {"PATH": "/bin", "SECRET_OF_JOHNS": ""})
    with pytest.raises(SettingsError, match=r"^SECRET_OF_JOHNS is set, .* `hookline process`"):
        refuse_shop_secrets(SHOPS, {"SECRET_OF_JOHNS": "of a shop"})


@pytest.mark.parametrize("stage", STAGES)
def test_a_child_is_given_its_own_secrets_and_no_others(stage: str) -> None:
    given = child_environment(stage, SETTINGS, INHERITED)
    assert foreign(stage, given) == []
    secrets = {each for secrets in HAS.values() for each in secrets} | set(INHERITED.values())
    found = {each for each in secrets - {"/bin", "C.UTF-8"} if each in given.values()}
    of_shops = {"of a shop", "aws"} if stage == "ingest" else set()  # shops refer to any variable
    assert found == HAS[stage] | of_shops
    assert (given["PATH"], given["LC_ALL"]) == ("/bin", "C.UTF-8")
    assert given["HOOKLINE_BROKERS"] == SETTINGS.brokers


def test_settings_that_are_printed_show_no_secret() -> None:
    shown = repr(replace(SETTINGS, registry_username="someone"))
    assert "someone" in shown
    assert [each for each in set.union(*HAS.values()) if each in shown] == []
