"""The search through the logs of a run finds what must not stand there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.log_search import leaks, secrets_of


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """A log that is gone when the whole run is searched."""
    path = tmp_path / "logs" / "ingest-1.log"
    path.parent.mkdir()
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "text",
    [
        "token=a-secret-of-this-shop",
        "no shop for jane.doe@shop.example",
        "Jeremy Tellier lives there",
        "call 15855008509",
        "key of the examples",
    ],
)
def test_a_secret_an_address_or_a_name_in_a_log_is_found(log: Path, text: str) -> None:
    shops = log.parents[1] / "shops.toml"
    shops.write_text(
        '[[shops]]\nsource = "gooten"\nid = "x"\nsecrets = ["a-secret-of-this-shop", "env:NAME"]\n'
    )
    log.write_text(f"first\n{text}\n")

    assert leaks(log.parent, secrets_of(log.parents[1])) == [f"{log}:2"]


def test_a_password_of_the_database_in_the_output_of_up_is_found(log: Path) -> None:
    passwords = log.parents[1] / "postgres" / "passwords.json"
    passwords.parent.mkdir()
    passwords.write_text('{"hookline_reader": "a-password-of-18-bytes"}')
    output = log.with_name("up.log")
    output.write_text(
        "PostgreSQL postgresql://hookline_reader:a-password-of-18-bytes@127.0.0.1/x\n"
    )

    assert leaks(log.parent, secrets_of(log.parents[1])) == [f"{output}:1"]
    output.unlink()


def test_a_log_without_them_is_clean(log: Path) -> None:
    log.write_text("refused route=/hooks/gooten/{shop}/{token} status=401\n")

    assert leaks(log.parent, secrets_of(log.parents[1])) == []
