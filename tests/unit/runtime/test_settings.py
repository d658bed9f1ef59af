"""Settings that cannot be used are refused by name, with what to do."""

import math
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.settings import LONGEST_SESSION, Settings, SettingsError, from_env, misspelt
from tests.certificates import Authority


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
        ("HOOKLINE_SHOPS", "HOOKLINE_SHOPS_FILE"),
        ("HOOKLINE_DATABASE", "HOOKLINE_DATABASE_URL"),
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
    Settings(contact_key="sixteen bytes ok").require_contact_key()


@pytest.mark.parametrize("key", ["k", "fifteen bytes..", "fifteen bytes..\r\n", "\n" * 40])
def test_a_contact_key_under_16_bytes_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError, match="16 are needed") as refused:
        Settings(contact_key=key).require_contact_key()
    assert "fifteen" not in str(refused.value)


def test_the_contact_key_before_is_another_one_and_is_never_shown() -> None:
    key, before = "the key of the tests", "the key before that"
    both = Settings(contact_key=key, contact_key_before=before)
    both.require_contact_key()
    assert before not in repr(both)
    with pytest.raises(SettingsError, match="HOOKLINE_CONTACT_KEY_BEFORE is the same key"):
        Settings(contact_key=key, contact_key_before=key).require_contact_key()


def test_the_contact_key_is_measured_in_bytes_of_utf_8() -> None:
    Settings(contact_key="ключключ").require_contact_key()
    with pytest.raises(SettingsError, match="14 bytes"):
        Settings(contact_key="ключклю").require_contact_key()


NUMBERS = [item.name for item in fields(Settings) if item.type in ("int", "float", int, float)]
IMPOSSIBLE = ("-1", "nan", "inf", "-inf", "-0.5", "many", "", "1e999", "0x10")


@pytest.mark.parametrize("name", NUMBERS)
@given(st.sampled_from(IMPOSSIBLE))
def test_no_number_can_be_negative_endless_or_a_word(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"HOOKLINE_{name.upper()}"):
        from_env({f"HOOKLINE_{name.upper()}": text})


@pytest.mark.parametrize("name", NUMBERS)
@given(st.text(max_size=12))
def test_a_number_is_read_or_refused_by_the_name_of_its_variable(name: str, text: str) -> None:
    variable = f"HOOKLINE_{name.upper()}"
    try:
        value = getattr(from_env({variable: text}), name)
    except SettingsError as refused:
        assert str(refused).startswith("HOOKLINE_")  # noqa: PT017 - the other outcome is right too
    else:
        assert 0 <= value < math.inf


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"HOOKLINE_SECURITY_PROTOCOL": "TLS"}, "HOOKLINE_SECURITY_PROTOCOL=TLS: write PLAINTEXT"),
        ({"HOOKLINE_SASL_MECHANISM": "GSSAPI"}, "HOOKLINE_SASL_MECHANISM=GSSAPI: write PLAIN"),
        ({"HOOKLINE_SECURITY_PROTOCOL": "SASL_SSL"}, "HOOKLINE_SASL_USERNAME is not set"),
        (
            {"HOOKLINE_SECURITY_PROTOCOL": "SASL_SSL", "HOOKLINE_SASL_USERNAME": "me"},
            "HOOKLINE_SASL_PASSWORD is not set",
        ),
        ({"HOOKLINE_SESSION_TIMEOUT": "3"}, "HOOKLINE_HEARTBEAT_INTERVAL=3.0: write less than"),
    ],
)
def test_what_no_client_can_do_is_refused_at_the_start(env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env(env)
    assert str(refused.value).startswith(said)


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    """The settings of a client with a certificate and an encrypted key."""
    authority = Authority(tmp_path).create()
    certificate, key = authority.sign("client", "the key's password")
    return {
        "HOOKLINE_SECURITY_PROTOCOL": "SSL",
        "HOOKLINE_SSL_CAFILE": str(authority.cafile),
        "HOOKLINE_SSL_CERTFILE": str(certificate),
        "HOOKLINE_SSL_KEYFILE": str(key),
        "HOOKLINE_SSL_KEY_PASSWORD": "the key's password",
    }


def test_a_client_certificate_is_loaded_with_its_key(tls: dict[str, str]) -> None:
    arguments = from_env(tls).kafka()
    assert arguments["security_protocol"] == "SSL"
    assert arguments["ssl_context"].get_ca_certs()
    assert arguments["ssl_context"].check_hostname


@pytest.mark.parametrize("password", ["", "a wrong password"])
def test_a_key_that_cannot_be_opened_is_named_and_no_password_is_asked_for(
    tls: dict[str, str], password: str
) -> None:
    settings = from_env(tls | {"HOOKLINE_SSL_KEY_PASSWORD": password})
    with pytest.raises(SettingsError, match="HOOKLINE_SSL_KEY_PASSWORD") as refused:
        settings.kafka()
    assert "a wrong password" not in str(refused.value)


@pytest.mark.parametrize("name", ["SSL_CAFILE", "SSL_CERTFILE", "SSL_KEYFILE", "REGISTRY_CAFILE"])
def test_a_file_of_tls_that_is_not_there_is_named(tls: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^HOOKLINE_{name}=/nowhere.pem: there is no such"):
        from_env(tls | {f"HOOKLINE_{name}": "/nowhere.pem"})


def test_a_certificate_that_nothing_would_show_is_refused(tls: dict[str, str]) -> None:
    plain = tls | {"HOOKLINE_SECURITY_PROTOCOL": "PLAINTEXT"}
    with pytest.raises(SettingsError, match=r"HOOKLINE_SSL_CERTFILE=.* is not used: .*PLAINTEXT"):
        from_env(plain)
    del tls["HOOKLINE_SSL_CERTFILE"]
    with pytest.raises(SettingsError, match="HOOKLINE_SSL_CERTFILE is not set"):
        from_env(tls)
