"""``hookline shops add`` and ``rotate``: changes of the shops file."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find
from schemas.platforms import PLATFORMS

if TYPE_CHECKING:
    from schemas.shops import Shop

FileOption = Annotated[
    Path | None,
    typer.Option(help="Change this file. [default: the running stack's, else ./shops.toml]"),
]
SecretOption = Annotated[
    str | None,
    typer.Option(
        help="The platform's signing secret, or env:NAME, or file:PATH. [default: a generated"
        " token; a signing secret is asked for]",
        show_default=False,
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="What the platform sees before /hooks/."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(group: typer.Typer) -> None:
    """Add the commands to ``hookline shops``."""
    group.command()(add)
    group.command()(rotate)


def add(
    platform: Annotated[str, typer.Argument(help=f"One of {', '.join(PLATFORMS)}.")],
    shop_id: Annotated[
        str | None, typer.Option("--id", help="Your name for the shop: it never changes.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217; asked for where payloads name none.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="The shop's days and months.")] = None,
    secret: SecretOption = None,
    proof: Annotated[
        str | None,
        typer.Option(help="token, hmac-sha256-base64, hmac-sha256-hex or header, if not usual."),
    ] = None,
    proof_header: Annotated[
        str | None, typer.Option(help="The header that carries the proof, if not the usual one.")
    ] = None,
    naive_times_in: Annotated[
        str | None, typer.Option(help="The zone of payload times that name none.")
    ] = None,
    abandon_after: Annotated[
        str | None, typer.Option(help="Silence after which a cart is abandoned: 60m.")
    ] = None,
    quota: Annotated[int | None, typer.Option(help="At most so many deliveries a second.")] = None,
    is_test: Annotated[
        bool, typer.Option("--test", help="All of it is a test and counts nowhere.")
    ] = False,
    file: FileOption = None,
    base: BaseOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Add a shop to the shops file and print what to paste into the platform's page.

    Asks for what was not told as an option. Everything that stands in the file stays, and what
    could not be read again is not written. A running ingress and running processors take the
    shop in within a second or two.

    Examples:
      hookline shops add run-free
      hookline shops add run-free --id lakeside --currency USD --timezone America/New_York
      hookline shops add spiffy --id johns --currency AUD --timezone UTC --secret env:JOHNS_KEY
      hookline shops add gooten --id prints --timezone UTC --url https://hooks.example.com
    """
    from hookline.shops import config_file

    if platform not in PLATFORMS:
        raise CommandError(f"no platform {platform!r}: there is {', '.join(PLATFORMS)}")
    path, url = _place(file, data, base)
    before = config_file.read(path)
    row = PLATFORMS[platform]
    told: dict[str, Any] = {"source": platform}
    optional = {
        "proof": proof,
        "proof_header": proof_header,
        "naive_times_in": naive_times_in,
        "abandon_after": abandon_after,
        "quota": quota,
        "is_test": is_test or None,
    }
    told |= {name: value for name, value in optional.items() if value is not None}
    valid = _Valid(told, before)
    told["id"] = valid.asked("id", shop_id, "The shop's id (lower-case, for ever)")
    if currency is not None or not row.names_currency:
        told["currency"] = valid.asked("currency", currency, "Its currency (ISO 4217)")
    told["timezone"] = valid.asked("timezone", timezone, "Its time zone", default="UTC")
    told["secrets"] = [_secret(told.get("proof", row.proof), secret)]
    after = config_file.with_shop(before, told)
    config_file.write(path, before, after)
    _tell(path, config_file.shop_of(told), url, as_json=as_json, what="added")


def rotate(
    name: Annotated[str, typer.Argument(metavar="SOURCE/ID", help="The shop.")],
    secret: SecretOption = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="The platform uses the new secret: drop the old one.")
    ] = False,
    file: FileOption = None,
    base: BaseOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Give a shop a new secret beside the old one; --finish drops the old one.

    Both are valid in between, so that no delivery is refused while the platform is changed. Only
    the shop's secrets are touched in the file. A running ingress takes it in within a second.

    Examples:
      hookline shops rotate run-free/lakeside
      hookline shops rotate run-free/lakeside --finish
      hookline shops rotate spiffy/johns --secret env:JOHNS_NEW_KEY
    """
    from hookline.shops import config_file
    from schemas.shops import parse

    path, url = _place(file, data, base)
    before = config_file.read(path)
    source, _, shop_id = name.partition("/")
    key = source, shop_id
    if finish and secret is not None:
        raise CommandError("--finish takes no secret: it drops the old one")
    if finish:
        after = config_file.without_old_secret(before, key)
    else:
        config_file.with_secret(before, key, secret or "new")  # refuses before anything is asked
        after = config_file.with_secret(before, key, _secret(parse(before)[key].proof, secret))
    config_file.write(path, before, after)
    what = "has its new secret alone" if finish else "has a new secret beside the old one"
    _tell(path, parse(after)[key], url, as_json=as_json, what=what)
    if not finish and not as_json:
        line = f"When the platform uses it: hookline shops rotate {name} --finish"
        output.out.print(line, markup=False, soft_wrap=True)


class _Valid:
    """Asks for one key after the other; each answer is checked as the whole shop would be."""

    def __init__(self, told: dict[str, Any], text: str) -> None:
        self._told, self._text = told, text

    def asked(self, key: str, value: str | None, question: str, default: str | None = None) -> str:
        """The value of an option, or the answer to the question. Raises CommandError."""
        if value is not None:
            try:
                return self._checked(key, value)
            except typer.BadParameter as error:
                raise CommandError(error.message) from error

        def heard(answer: str) -> str:
            return self._checked(key, answer)

        return _ask(question, f"--{key}", default=default, value_proc=heard)

    def _checked(self, key: str, value: str) -> str:
        from hookline.shops import config_file
        from schemas.shops import ShopsError

        value = value.strip().upper() if key == "currency" else value.strip()
        trial = {"id": "x", "currency": "EUR", "secrets": ["x"], **self._told, key: value}
        try:
            if key == "id":
                config_file.with_shop(self._text, trial)
            else:
                config_file.shop_of(trial)
        except (ShopsError, CommandError) as error:
            raise typer.BadParameter(str(error).removeprefix("shops[1].")) from error
        return value


def _ask(question: str, option: str, **more: Any) -> str:
    answer: Callable[..., Any] = typer.prompt
    try:
        return str(answer(question, err=True, **more))
    except typer.Abort as error:
        raise CommandError(f"nobody answered: tell it as {option}") from error


def _secret(proof: str, told: str | None) -> str:
    """As told, generated for a token, else the platform's own, asked for."""
    if told is not None:
        return told
    if proof == "token":
        return secrets.token_urlsafe(32)
    return _ask("The platform's signing secret (not shown)", "--secret", hide_input=True)


def _place(file: Path | None, data: Path | None, base: str | None) -> tuple[Path, str]:
    """The file to change, and what stands before ``/hooks/``."""
    from hookline.local.folder import EXAMPLE_SHOPS
    from hookline.shops import webhook_urls
    from runtime.settings import from_env

    if file is not None:
        return file, base or webhook_urls.BASE
    try:
        place = find(data)
    except CommandError:
        if data is not None:
            raise
        return Path(from_env().shops_file), base or webhook_urls.BASE
    path = Path(place.settings.shops_file)
    if path.name == EXAMPLE_SHOPS:
        raise CommandError(
            f"the running stack uses the example, {path}: copy it to shops.toml and start the"
            " stack with that, or name the example with --file"
        )
    return path, base or place.ingress_url


def _tell(path: Path, shop: "Shop", base: str, *, as_json: bool, what: str) -> None:
    from hookline.shops import webhook_urls
    from ingest.secrets import SecretsError, resolve

    name = f"{shop.source}/{shop.id}"
    try:
        secret = resolve(shop.secrets[0])
    except SecretsError:
        secret = None  # known where the ingress runs
    url = webhook_urls.url(base, shop, secret)
    said = webhook_urls.instructions(shop)
    if as_json:
        output.print_json({"shop": name, "file": str(path), "url": url, "instructions": said})
        return
    lines = [f"{name} {what} in {path}. Paste into the platform's page:", "", f"  {url}", ""]
    lines += [*said, "A running ingress reads the file by itself: nothing needs a restart."]
    for line in lines:
        output.out.print(line, markup=False, soft_wrap=True)
