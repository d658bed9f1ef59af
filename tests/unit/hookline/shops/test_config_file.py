"""Changes of the shops file: what was meant, and nothing else."""

import stat
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import assume, given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.shops import config_file
from schemas import shops
from schemas.shops import ShopsError

ONE = """# Ours.
[[shops]] # the first
source = "gooten"
id = "prints"
secrets = ["first"] # since May
quota = 5
"""
TWO = (
    ONE
    + """
[[shops]]
source = "ciklik"
id = "box"
currency = "EUR"
secrets = [
  # in the page of the platform
  "second",
]
# the end
"""
)
ADDED = {"source": "run-free", "id": "lake", "currency": "USD", "secrets": ["third"]}
GOOTEN, CIKLIK = ("gooten", "prints"), ("ciklik", "box")

ids = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.parametrize("text", ["", ONE, TWO, TWO.rstrip(), TWO.replace("\n", "\r\n")])
def test_a_shop_is_added_at_the_end_and_all_that_stands_stays(text: str) -> None:
    after = config_file.with_shop(text, ADDED)
    assert after.startswith(text)
    assert shops.parse(after) == {
        **shops.parse(text),
        ("run-free", "lake"): config_file.shop_of(ADDED),
    }
    assert ("\r\n" in text) == ("\r\n" in after)
    assert after.count("\n") == after.count("\r\n") or "\r\n" not in after


@given(ids, secrets)
def test_whatever_the_secret_is_it_is_read_as_it_was_written(name: str, secret: str) -> None:
    told = {"source": "gooten", "id": name, "secrets": [secret]}
    assume(name != "prints")
    assert shops.parse(config_file.with_shop(ONE, told))["gooten", name].secrets == (secret,)


def test_a_shop_that_is_there_is_not_added_again() -> None:
    with pytest.raises(CommandError, match="gooten/prints exists already"):
        config_file.with_shop(ONE, {"source": "gooten", "id": "prints", "secrets": ["x"]})


@pytest.mark.parametrize("text", ["[[", ONE + '[[shops]]\nsource = "nobody"\n'])
def test_nothing_is_added_to_a_broken_file(text: str) -> None:
    with pytest.raises(ShopsError):
        config_file.with_shop(text, ADDED)


def test_a_shop_that_cannot_be_is_not_added() -> None:
    with pytest.raises(ShopsError, match="currency"):
        config_file.with_shop(ONE, {**ADDED, "currency": "dollars"})


INLINE = 'shops = [{source = "gooten", id = "prints", secrets = ["first"]}]\n'


def test_a_file_that_cannot_grow_is_left_to_its_owner() -> None:
    with pytest.raises(CommandError, match="edit it"):
        config_file.with_shop(INLINE, ADDED)


@pytest.mark.parametrize("text", [TWO, INLINE, TWO.replace("\n", "\r\n")])
@pytest.mark.parametrize("key", [GOOTEN, CIKLIK])
def test_a_rotation_adds_in_front_and_finishing_it_drops_the_old(text: str, key: Any) -> None:
    before = shops.parse(text)
    if key not in before:
        return
    rotated = config_file.with_secret(text, key, "new")
    assert shops.parse(rotated)[key].secrets == ("new", *before[key].secrets)
    finished = config_file.without_old_secret(rotated, key)
    assert shops.parse(finished)[key].secrets == ("new",)
    for other in before.keys() - {key}:
        assert shops.parse(finished)[other] == before[other]


@pytest.mark.parametrize("key", [GOOTEN, CIKLIK])
def test_a_rotation_touches_nothing_but_the_secrets(key: Any) -> None:
    rotated = config_file.with_secret(TWO, key, "new")
    lines, now = TWO.splitlines(), rotated.splitlines()
    assert [line for line in now if "new" not in line and line not in lines] == []
    for comment in ("# Ours.", "# the first", "# since May", "# in the page", "# the end"):
        assert comment in rotated


@given(secrets)
def test_a_rotation_takes_any_secret(secret: str) -> None:
    for key in (GOOTEN, CIKLIK):
        rotated = config_file.with_secret(TWO, key, secret)
        assert shops.parse(rotated)[key].secrets[0] == secret


def test_a_rotation_that_cannot_be_is_refused() -> None:
    rotated = config_file.with_secret(TWO, GOOTEN, "new")
    with pytest.raises(CommandError, match="--finish"):
        config_file.with_secret(rotated, GOOTEN, "newer")
    with pytest.raises(CommandError, match="no rotation to finish"):
        config_file.without_old_secret(TWO, GOOTEN)
    with pytest.raises(CommandError, match="there is gooten/prints, ciklik/box"):
        config_file.with_secret(TWO, ("gooten", "nobody"), "new")


def test_a_secret_kept_elsewhere_is_followed_by_one_kept_elsewhere() -> None:
    text = ONE.replace('"first"', '"env:PRINTS"')
    with pytest.raises(CommandError, match="--secret env:NAME"):
        config_file.with_secret(text, GOOTEN, "in the clear")
    rotated = config_file.with_secret(text, GOOTEN, "file:/run/new")
    assert shops.parse(rotated)[GOOTEN].secrets == ("file:/run/new", "env:PRINTS")


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    path.write_text(ONE)
    path.chmod(0o640)
    number = path.stat().st_ino
    config_file.write(path, ONE, TWO)
    assert path.read_text() == TWO
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_ino == number) == (0o640, False)
    assert [each.name for each in tmp_path.iterdir()] == ["shops.toml"]


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    config_file.write(path, "", ONE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "shops.toml"
    real.write_text(ONE)
    link.symlink_to(real)
    config_file.write(link, ONE, TWO)
    assert (link.is_symlink(), real.read_text()) == (True, TWO)


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    path.write_text(ONE + "# mine\n")
    with pytest.raises(CommandError, match="changed meanwhile"):
        config_file.write(path, ONE, TWO)
    assert path.read_text() == ONE + "# mine\n"
    assert [each.name for each in tmp_path.iterdir()] == ["shops.toml"]


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        config_file.write(tmp_path / "nowhere" / "shops.toml", "", ONE)


def test_what_is_written_is_toml_as_others_read_it() -> None:
    assert len(tomlkit.parse(config_file.with_shop(TWO, ADDED))["shops"]) == 3  # type: ignore[arg-type]
