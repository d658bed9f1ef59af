"""Settings that cannot be used are refused by name, with what to do."""

import pytest

from runtime.settings import LONGEST_SESSION, SettingsError, from_env


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HOOKLINE_PARTITIONS", "twelve", "write a number"),
        ("HOOKLINE_CLOUDEVENTS", "perhaps", "write true or false"),
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
