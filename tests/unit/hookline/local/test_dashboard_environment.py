"""The dashboard of `hookline up` gets a reader's URL, the contact key, and no other secret."""

from dataclasses import replace

from hookline.local.folder import dashboard_environment
from hookline.stack_address import find_stack
from runtime.settings import Settings

SETTINGS = replace(
    Settings(),
    contact_key="a key of sixteen bytes and more",
    database_url="postgresql://hookline_operator:secret-of-operator@db/hookline",
    sasl_password="secret-of-kafka",
    registry_password="secret-of-registry",
    prefix="a_",
    shops_file="/data/shops.toml",
)
RUN = {
    "environment": SETTINGS.environment(),
    "reader_url": "postgresql://hookline_reader:secret-of-reader@db/hookline",
    "contacts_reader_url": "postgresql://hookline_contacts_reader:secret-of-contacts@db/hookline",
    "owner_url": "postgresql://hookline:secret-of-owner@db/hookline",
    "ports": {"ingest": 8080, "ingest-pages": 8081, "kafka": 9092, "sink": 8082, "process-1": 8083},
    "ingress_url": "http://127.0.0.1:8080",
}


def test_it_is_given_a_readers_secret_and_the_key_that_hashes_addresses() -> None:
    variables = dashboard_environment(RUN)
    given = " ".join(variables.values())
    assert "secret-of-reader" in given
    assert given.count("secret-of") == 1
    assert variables["HOOKLINE_CONTACT_KEY"] == SETTINGS.contact_key


def test_it_finds_the_stack_by_what_it_is_given() -> None:
    stack = find_stack(None, dashboard_environment(RUN))
    assert stack.reader_url == RUN["reader_url"]
    assert stack.ingress_url == RUN["ingress_url"]
    assert (stack.settings.prefix, stack.settings.shops_file) == ("a_", "/data/shops.toml")
    assert stack.contacts_reader_url == ""
    assert stack.metrics == {
        "ingest": "http://127.0.0.1:8081/metrics",
        "sink": "http://127.0.0.1:8082/metrics",
        "process-1": "http://127.0.0.1:8083/metrics",
    }


def test_only_with_a_login_it_is_given_what_an_operator_writes_with() -> None:
    for name in ("dashboard_password_hash", "dashboard_proxy_user_header"):
        settings = replace(SETTINGS, **{name: "a login"})
        given = dashboard_environment({**RUN, "environment": settings.environment()})
        assert given["HOOKLINE_DATABASE_URL"] == SETTINGS.database_url
        assert "a login" in given.values()
        assert "secret-of-owner" not in " ".join(given.values())
        assert "secret-of-contacts" not in " ".join(given.values())
