"""Settings that cannot be used are refused by name, with what to do."""

from pathlib import Path

import pytest

from runtime.settings import LONGEST_SESSION, Settings, SettingsError, from_env, misspelt


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HOOKLINE_PARTITIONS", "twelve", "write a number"),
        ("HOOKLINE_CLOUDEVENTS", "perhaps", "write true or false"),
        ("HOOKLINE_COMMIT_INTERVAL", "-1", "0 or more"),
        ("HOOKLINE_COMMIT_INTERVAL", "nan", "0 or more"),
        ("HOOKLINE_COMMIT_INTERVAL", "0", "above 0"),
        ("HOOKLINE_PARTITIONS", "0", "above 0"),
        ("HOOKLINE_PORT", "99999", "at most 65535"),
        ("HOOKLINE_HEALTH_PORT", "-1", "0 or more"),
        ("HOOKLINE_PREFIX", "Two Words", "lower-case letters"),
        ("HOOKLINE_MAX_BODY", str(1 << 30), "at most"),
        ("HOOKLINE_SESSION_TIMEOUT", str(LONGEST_SESSION + 1), "at most 90 seconds"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    name: str, value: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        from_env({name: value})
    assert str(refused.value).startswith(name)


def test_what_settings_give_a_child_it_reads_as_the_same_settings() -> None:
    settings = from_env({"HOOKLINE_PORT": "81", "HOOKLINE_SESSION_TIMEOUT": "12.5"})
    assert settings == from_env(settings.environment())


@pytest.mark.parametrize(
    ("told", "is_on"), [("1", True), ("True", True), ("yes", True), ("0", False), ("no", False)]
)
def test_a_switch_is_read_as_people_write_it(told: str, is_on: bool) -> None:
    settings = from_env({"HOOKLINE_CLOUDEVENTS": told})
    assert settings.cloudevents is is_on
    assert settings == from_env(settings.environment())


def test_numbers_that_may_be_zero_are_taken() -> None:
    names = ("HOOKLINE_PORT", "HOOKLINE_HEALTH_PORT", "HOOKLINE_SENDER_GRACE")
    settings = from_env(dict.fromkeys(names, "0"))
    assert (settings.port, settings.health_port, settings.sender_grace) == (0, 0, 0.0)


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    env = {"HOOKLINE_SECURITY_PROTOCOL": "SSL", "HOOKLINE_SSL_CAFILE": "/nowhere.pem"}
    with pytest.raises(SettingsError, match=r"HOOKLINE_SSL_CAFILE=/nowhere.pem: there is no"):
        from_env(env)
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(SettingsError, match=r"HOOKLINE_SSL_CAFILE=.*no certificates"):
        from_env({**env, "HOOKLINE_SSL_CAFILE": str(file)}).kafka()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("HOOKLINE_BROKER", "HOOKLINE_BROKERS"),
        ("HOOKLINE_SHOP_FILE", "HOOKLINE_SHOPS_FILE"),
        ("HOOKLINE_COMIT_INTERVAL", "HOOKLINE_COMMIT_INTERVAL"),
        ("HOOKLINE_DATABASE_UR", "HOOKLINE_DATABASE_URL"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest_one(name: str, nearest: str) -> None:
    [sentence] = misspelt({name: "x", nearest: "y"})
    assert sentence.startswith(f"{name} is not a setting")
    assert f"is {nearest} meant" in sentence


def test_settings_and_unrelated_variables_give_no_warning() -> None:
    env = {**Settings().environment(), "HOOKLINE_DATA": "x", "HOOKLINE_SECRET_OF_JOHNS": "y"}
    assert misspelt(env) == []


def test_a_missing_contact_key_is_a_setting_to_set() -> None:
    with pytest.raises(SettingsError, match="HOOKLINE_CONTACT_KEY is not set"):
        Settings().require_contact_key()
    Settings(contact_key="k").require_contact_key()
