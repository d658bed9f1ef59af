"""What may be set, and the sentence for what may not."""

import pytest

from hookline.notify.settings import VARIABLES, NotifySettings, from_env
from runtime.settings import OTHER_NAMES, SettingsError
from tests import ROOT

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = {"HOOKLINE_NOTIFY_URL": "https://a.example/x", "HOOKLINE_NOTIFY_SECRET": SECRET}
MAIL = {
    "HOOKLINE_NOTIFY_SMTP_URL": "smtp://user:hunter2@mail.example:587",
    "HOOKLINE_NOTIFY_FROM": "hookline@example.com",
    "HOOKLINE_NOTIFY_TO": "a@example.com, b@example.com",
}


def test_both_channels_can_be_set() -> None:
    settings = from_env({**WEBHOOK, **MAIL, "HOOKLINE_NOTIFY_IGNORE": "spiffy/old,x/y"})
    assert settings.recipients == ("a@example.com", "b@example.com")
    assert settings.ignored == {"spiffy/old", "x/y"}
    assert from_env({}) == NotifySettings()
    from_env({**MAIL, "HOOKLINE_NOTIFY_FROM": '"Hook, Line" <hookline@mail>'})
    from_env({**MAIL, "HOOKLINE_NOTIFY_FROM": "Hök <hookline@example.com>"})


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"HOOKLINE_NOTIFY_URL": "https://a.example"}, "HOOKLINE_NOTIFY_SECRET is not set"),
        ({**WEBHOOK, "HOOKLINE_NOTIFY_SECRET": "hunter2"}, "HOOKLINE_NOTIFY_SECRET: write whsec_"),
        ({**WEBHOOK, "HOOKLINE_NOTIFY_URL": "ftp://a"}, "HOOKLINE_NOTIFY_URL: write the URL"),
        ({**WEBHOOK, "HOOKLINE_NOTIFY_URL": "http://a:x/"}, "HOOKLINE_NOTIFY_URL: write the URL"),
        ({**MAIL, "HOOKLINE_NOTIFY_SMTP_URL": "mail.example:25"}, "write smtp://"),
        ({**MAIL, "HOOKLINE_NOTIFY_SMTP_URL": "smtp://h?tls=never"}, "tls=none or tls=required"),
        ({**MAIL, "HOOKLINE_NOTIFY_SMTP_URL": "smtp://h:99999"}, "SMTP_URL cannot be read"),
        ({**MAIL, "HOOKLINE_NOTIFY_SMTP_URL": "smtp://u:hunter2#x@h"}, "SMTP_URL cannot be read"),
        ({**MAIL, "HOOKLINE_NOTIFY_SMTP_URL": "smtp://[h"}, "SMTP_URL cannot be read"),
        ({**MAIL, "HOOKLINE_NOTIFY_FROM": "hookline@"}, "FROM: write addresses"),
        ({**MAIL, "HOOKLINE_NOTIFY_FROM": "a@["}, "FROM: write addresses"),
        ({**MAIL, "HOOKLINE_NOTIFY_FROM": "a@ü.example"}, "FROM: write addresses"),
        ({**MAIL, "HOOKLINE_NOTIFY_FROM": "=?utf-8?q?=0aBcc:?= <a@b>"}, "FROM: write addresses"),
        ({**MAIL, "HOOKLINE_NOTIFY_TO": "a@b.c, @b.c"}, "TO: write addresses"),
        ({**MAIL, "HOOKLINE_NOTIFY_TO": ""}, "HOOKLINE_NOTIFY_TO is not an address"),
        ({**MAIL, "HOOKLINE_NOTIFY_FROM": "a@b.c\nBcc: d@e.f"}, "FROM has a line break"),
        ({"HOOKLINE_NOTIFY_INTERVAL": "0"}, "HOOKLINE_NOTIFY_INTERVAL=0: write a number above 0"),
        ({"HOOKLINE_NOTIFY_LETTERS": "many"}, "HOOKLINE_NOTIFY_LETTERS='many': write a number"),
        ({"HOOKLINE_NOTIFY_HELD": "nan"}, "HOOKLINE_NOTIFY_HELD=nan"),
        ({"HOOKLINE_NOTIFY_FAILURES": "5"}, "a share is at most 1"),
        ({"HOOKLINE_DASHBOARD_URL": "dashboard"}, "HOOKLINE_DASHBOARD_URL: write a URL"),
    ],
)
def test_what_cannot_be_used_is_named(env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env(env)
    assert message in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_secrets_are_in_no_traceback() -> None:
    shown = repr(from_env({**WEBHOOK, **MAIL}))
    assert not [each for each in (SECRET, "hunter2", "a.example") if each in shown]


def test_every_variable_is_known_to_the_check_of_spelling_and_in_the_docs() -> None:
    notify = {name for name in OTHER_NAMES if name.startswith("HOOKLINE_NOTIFY_")}
    assert {*notify, "HOOKLINE_DASHBOARD_URL"} == set(VARIABLES)
    page = (ROOT / "docs" / "notify.md").read_text()
    defaults = NotifySettings()
    for name in VARIABLES:
        assert f"`{name}`" in page
    for field in ("interval", "shops_interval", "drift_interval", "repeat", "behind", "held",
                  "unreachable", "letters", "failures", "expected"):  # fmt: skip
        value = getattr(defaults, field)
        assert f"`HOOKLINE_NOTIFY_{field.upper()}` | `{value:g}` |" in page
