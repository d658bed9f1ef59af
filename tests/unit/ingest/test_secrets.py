"""References to secrets: what they resolve to, how long it is kept, and failures."""

from typing import Any

import pytest

from ingest.secrets import RETRY_AFTER, SecretBook, SecretsError, resolve
from schemas.shops import Shop


def test_secrets_are_the_text_a_variable_or_a_file(tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"from file\n")

    assert resolve("plain:text") == b"plain:text"
    assert resolve("env:NAME", {"NAME": "from env"}) == b"from env"
    assert resolve(f"file:{file}") == b"from file"


@pytest.mark.parametrize("reference", ["env:NOT_THERE", "file:/not/there"])
def test_a_reference_to_nothing_names_what_is_missing(reference: Any) -> None:
    with pytest.raises(SecretsError, match=r"(?i)not.there"):
        resolve(reference, {})


def test_secrets_are_resolved_once_and_again_after_clear(tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_text("one")
    shop = Shop(source="gooten", id="prints", secrets=(f"file:{file}", "two"))
    book = SecretBook()

    assert book.of(shop) == (b"one", b"two")
    file.write_text("three")
    assert book.of(shop) == (b"one", b"two")
    book.clear()
    assert book.of(shop) == (b"three", b"two")


def test_one_missing_secret_leaves_the_other_in_use() -> None:
    shop = Shop(source="gooten", id="prints", secrets=("file:/not/there", "two"))

    assert SecretBook().of(shop) == (b"two",)


def test_a_failure_to_resolve_is_tried_again_after_a_while(tmp_path: Any) -> None:
    now = [0.0]
    file = tmp_path / "secret"
    shop = Shop(source="gooten", id="prints", secrets=(f"file:{file}",))
    book = SecretBook(lambda: now[0])

    with pytest.raises(SecretsError):
        book.of(shop)
    file.write_text("late")
    with pytest.raises(SecretsError):
        book.of(shop)
    now[0] += RETRY_AFTER
    assert book.of(shop) == (b"late",)
