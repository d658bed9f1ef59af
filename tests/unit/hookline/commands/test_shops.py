"""``hookline shops``: output, prompts and the file it writes, without a server."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hookline.cli import app
from hookline.console.errors import CommandError
from hookline.shops import check, webhook_urls
from schemas import shops
from tests import ROOT

STRONG = "k7Zp0QmXw3nBv9sLr2TfYc8HdJ4gUa6E"
OTHER = STRONG[::-1]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOOKLINE_BROKERS", raising=False)
    monkeypatch.delenv("HOOKLINE_SHOPS_FILE", raising=False)
    return tmp_path / "shops.toml"


def run(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(app, ["shops", *arguments], input=answers)


def shop(source: str, name: str, *secrets: str, **more: str) -> str:
    extra = "".join(f'{key} = "{value}"\n' for key, value in more.items())
    return (
        f'[[shops]]\nsource = "{source}"\nid = "{name}"\nsecrets = {json.dumps(secrets)}\n{extra}'
    )


def checked(file: Path, *arguments: str) -> dict[str, Any]:
    result = run("check", "--file", str(file), "--json", *arguments)
    report: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if report["well"] else 1)
    return report


def problems(file: Path) -> list[str]:
    return [line for one in checked(file)["shops"] for line in one["problems"]]


# list


def test_shops_alone_lists_them_as_list_does() -> None:
    example = str(ROOT / "shops.example.toml")
    assert (
        run("--file", example, "--json").stdout == run("list", "--file", example, "--json").stdout
    )


def test_an_option_before_the_command_is_an_error() -> None:
    assert isinstance(run("--file", "x.toml", "check").exception, CommandError)


# check


def test_good_shops_are_well(file: Path) -> None:
    file.write_text(shop("gooten", "a", STRONG) + shop("gooten", "b", OTHER))
    report = checked(file)
    assert (report["well"], report["problems"]) == (True, [])
    assert [one["well"] for one in report["shops"]] == [True, True]


def test_every_broken_shop_is_named_and_the_others_are_checked(file: Path) -> None:
    file.write_text(
        shop("gooten", "a", STRONG)
        + shop("nobody", "b", "x")
        + shop("ciklik", "c", OTHER)
        + shop("gooten", "a", OTHER)
    )
    report = checked(file)
    assert [one["shop"] for one in report["shops"]] == ["gooten/a"]
    assert [line.split(":")[0] for line in report["problems"]] == [
        "shops[2].source",
        "shops[3].currency",
        "shops[4]",
    ]


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        (("short",), "worth 12 bits at most"),
        (("a" * 200,), "worth 0 bits"),
        (("demo-prints-token",), "a secret of the example"),
        (("env:HOOKLINE_TEST_NOT_SET",), "set the environment variable HOOKLINE_TEST_NOT_SET"),
        (("file:/nowhere/at/all",), "/nowhere/at/all: No such file"),
        ((STRONG + " with spaces",), "cannot carry"),
        ((STRONG, STRONG), "both secrets are the same"),
    ],
)
def test_a_bad_secret_is_named_without_being_shown(
    file: Path, secrets: tuple[str, ...], message: str
) -> None:
    file.write_text(shop("gooten", "a", *secrets))
    (line,) = set(problems(file))
    assert message in line
    assert not any(secret in line for secret in secrets if ":" not in secret)


def test_a_secret_of_two_shops_is_a_problem_of_both(file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{STRONG}\n")
    file.write_text(
        shop("gooten", "a", STRONG)
        + shop("run-free", "b", f"file:{tmp_path}/secret", currency="USD")
        + shop("gooten", "c", OTHER)
    )
    assert problems(file) == [
        "shares a secret with run-free/b: each shop needs its own",
        "shares a secret with gooten/a: each shop needs its own",
    ]


def test_the_example_itself_is_not_well() -> None:
    found, broken = check.check(ROOT / "shops.example.toml")
    assert broken == []
    assert all("example" in line for one in found for line in one.problems)
    assert all(one.problems for one in found)


def test_tokens_are_in_the_url_only_on_request(file: Path) -> None:
    file.write_text(shop("ciklik", "a", STRONG, currency="EUR"))
    hidden, shown = checked(file), checked(file, "--show-secrets", "--url", "https://h.example/")
    assert STRONG not in json.dumps(hidden)
    assert shown["shops"][0]["url"] == f"https://h.example/hooks/ciklik/a/{STRONG}/<event>"


def test_without_kafka_only_the_file_is_checked(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(shop("gooten", "a", STRONG))
    monkeypatch.setenv("HOOKLINE_BROKERS", "127.0.0.1:9")
    result = run("check", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert "Kafka does not answer" in report["notes"][0]
    assert report["shops"][0]["deliveries"] is None


def test_a_token_is_written_into_the_url_as_a_url_carries_it() -> None:
    (one,) = shops.parse(shop("gooten", "a", "a/b c")).values()
    assert webhook_urls.url("http://h", one, b"a/b c") == "http://h/hooks/gooten/a/a%2Fb%20c"


# add


def test_a_shop_is_added_with_a_generated_token_and_its_url(file: Path) -> None:
    options = ("--id", "lake", "--currency", "usd", "--timezone", "Europe/Paris")
    result = run("add", "run-free", *options, "--url", "https://h.example")
    assert result.exit_code == 0
    (made,) = shops.load(file).values()
    assert (made.id, made.currency, made.timezone) == ("lake", "USD", "Europe/Paris")
    assert check.secret_bits(made.secrets[0].encode()) > check.MIN_BITS
    assert f"https://h.example/hooks/run-free/lake/{made.secrets[0]}" in result.stdout
    assert checked(file)["well"]


def test_two_shops_never_get_the_same_token(file: Path) -> None:
    for name in ("a", "b"):
        assert run("add", "gooten", "--id", name, "--timezone", "UTC").exit_code == 0
    first, second = shops.load(file).values()
    assert first.secrets != second.secrets


def test_missing_options_are_asked_for_and_bad_answers_asked_again(file: Path) -> None:
    file.write_text(shop("spiffy", "johns", STRONG, currency="GBP"))
    answers = ["Bad Id", "johns", "jim", "dollars", "AUD", "Mars/Olympus", "", OTHER]
    result = run("add", "spiffy", answers="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.output
    made = shops.load(file)["spiffy", "jim"]
    assert (made.currency, made.timezone, made.secrets) == ("AUD", "UTC", (OTHER,))
    assert "x-spiffy-hmac-sha256" in result.stdout
    assert OTHER not in result.stdout


def test_every_key_that_add_knows_is_written(file: Path) -> None:
    more = ("--proof", "header", "--proof-header", "X-Secret", "--naive-times-in", "Europe/Paris")
    more += ("--abandon-after", "90m", "--quota", "7", "--test", "--secret", STRONG)
    assert run("add", "shoprocket", "--id", "a", "--timezone", "UTC", *more).exit_code == 0
    (made,) = shops.load(file).values()
    assert (made.proof, made.proof_header, made.naive_times_in) == (
        "header", "X-Secret", "Europe/Paris",
    )  # fmt: skip
    assert (made.abandon_after, made.quota, made.is_test, made.secrets) == (
        5400, 7, True, (STRONG,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ebay",), "no platform 'ebay'"),
        (("gooten", "--id", "there", "--timezone", "UTC"), "gooten/there exists already"),
        (("gooten", "--id", "A", "--timezone", "UTC"), "id: use lower-case"),
        (("gooten", "--id", "a", "--timezone", "Mars"), "timezone: 'Mars' is no"),
        (("run-free", "--id", "a", "--timezone", "UTC"), "no answer: give it as --currency"),
        (("gooten", "--id", "a", "--timezone", "UTC", "--quota", "0"), "quota: write whole"),
    ],
)
def test_a_shop_that_cannot_be_added_leaves_the_file_alone(
    file: Path, arguments: tuple[str, ...], message: str
) -> None:
    file.write_text(shop("gooten", "there", STRONG))
    before = file.read_bytes()
    ended = run("add", *arguments, answers="")
    assert message in str(ended.exception)
    assert file.read_bytes() == before


# rotate


def test_a_token_is_rotated_in_two_steps(file: Path) -> None:
    file.write_text("# ours\n" + shop("gooten", "a", STRONG))
    begun = json.loads(run("rotate", "gooten/a", "--json").stdout)
    new, old = shops.load(file)["gooten", "a"].secrets
    assert (begun["url"].rpartition("/")[2], old) == (new, STRONG)
    assert "two secrets are valid" in checked(file)["shops"][0]["notes"][0]
    assert run("rotate", "gooten/a", "--finish").exit_code == 0
    assert shops.load(file)["gooten", "a"].secrets == (new,)
    assert file.read_text().startswith("# ours\n")


def test_a_signing_secret_is_asked_for(file: Path) -> None:
    file.write_text(shop("spiffy", "johns", STRONG, currency="GBP"))
    assert run("rotate", "spiffy/johns", answers=f"{OTHER}\n").exit_code == 0
    assert shops.load(file)["spiffy", "johns"].secrets == (OTHER, STRONG)


def test_a_rotation_that_cannot_be_is_refused_before_anything_is_asked(file: Path) -> None:
    file.write_text(shop("spiffy", "johns", "env:JOHNS", currency="GBP"))
    before = file.read_bytes()
    for arguments, message in (
        (("spiffy/johns",), "--secret env:NAME"),
        (("spiffy/jim",), "no shop spiffy/jim"),
        (("spiffy/johns", "--finish"), "no rotation to finish"),
        (("spiffy/johns", "--finish", "--secret", "x"), "--finish takes no secret"),
    ):
        assert message in str(run("rotate", *arguments).exception)
    assert file.read_bytes() == before


def test_the_example_of_a_running_stack_is_not_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_BROKERS", "127.0.0.1:9")
    monkeypatch.setenv("HOOKLINE_SHOPS_FILE", str(file.with_name("shops.example.toml")))
    ended = run("add", "gooten", "--id", "a", "--timezone", "UTC")
    assert "copy it to shops.toml" in str(ended.exception)
