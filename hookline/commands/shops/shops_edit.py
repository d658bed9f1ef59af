"""``hookline shops add`` and ``rotate``: edit the shops file."""

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.completion import shop_names, starting_with
from hookline.commands.options import DataOption, JsonOption, UrlOption
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack
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
        " token; asks for a signing secret]",
        show_default=False,
    ),
]


def add(
    platform: Annotated[str, typer.Argument(help=f"One of {', '.join(PLATFORMS)}.")],
    shop_id: Annotated[
        str | None, typer.Option("--id", help="Your name for the shop: it never changes.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code; asked for if payloads have none.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="The shop's time zone, for days and months.")
    ] = None,
    secret: SecretOption = None,
    proof: Annotated[
        str | None,
        typer.Option(
            help="token, hmac-sha256-base64, hmac-sha256-hex or header, if not the usual one."
        ),
    ] = None,
    proof_header: Annotated[
        str | None, typer.Option(help="The header with the proof, if not the usual one.")
    ] = None,
    naive_times_in: Annotated[
        str | None, typer.Option(help="Time zone of payload times without an offset.")
    ] = None,
    abandon_after: Annotated[
        str | None, typer.Option(help="Inactivity after which a cart is abandoned: 60m.")
    ] = None,
    quota: Annotated[
        int | None, typer.Option(help="At most this many deliveries a second.")
    ] = None,
    is_test: Annotated[bool, typer.Option("--test", help="A test shop, counted nowhere.")] = False,
    file: FileOption = None,
    base: UrlOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Add a shop to the shops file and print what to paste into the platform's settings.

    Asks for what is not given as an option. Keeps everything else in the file, comments included,
    and writes nothing that would not load. A running ingress and processors reload the file
    within two seconds.

    Examples:
      hookline shops add run-free
      hookline shops add run-free --id lakeside --currency USD --timezone America/New_York
      hookline shops add spiffy --id johns --currency AUD --timezone UTC --secret env:JOHNS_KEY
      hookline shops add gooten --id prints --timezone UTC --url https://hooks.example.com
    """
    from hookline.shops import config_file

    if platform not in PLATFORMS:
        raise CommandError(f"no platform {platform!r}: there is {', '.join(PLATFORMS)}")
    path, url = _file_and_url(file, data, base)
    before = config_file.read(path)
    row = PLATFORMS[platform]
    fields: dict[str, Any] = {"source": platform}
    optional = {
        "proof": proof,
        "proof_header": proof_header,
        "naive_times_in": naive_times_in,
        "abandon_after": abandon_after,
        "quota": quota,
        "is_test": is_test or None,
    }
    fields |= {name: given for name, given in optional.items() if given is not None}

    def value(key: str, given: str | None, question: str, default: str | None = None) -> str:
        """Check the value of an option, or ask for one. Raises CommandError."""
        check = partial(_checked, before, fields, key)
        if given is None:
            return _ask(question, f"--{key}", default=default, value_proc=check)
        try:
            return check(given)
        except typer.BadParameter as error:
            raise CommandError(error.message) from error

    fields["id"] = value("id", shop_id, "The shop's id (lower-case, for ever)")
    if currency is not None or not row.names_currency:
        fields["currency"] = value("currency", currency, "Its currency (ISO 4217)")
    fields["timezone"] = value("timezone", timezone, "Its time zone", default="UTC")
    fields["secrets"] = [_secret(fields.get("proof", row.proof), secret)]
    after = config_file.with_shop(before, fields)
    config_file.write(path, before, after)
    _show_result(path, config_file.shop_of(fields), url, as_json=as_json, action="added to")
    if not as_json:
        hints.show("shops add", data, shop=f"{platform}/{fields['id']}")


def rotate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE/ID", help="The shop.", autocompletion=starting_with(shop_names)
        ),
    ],
    secret: SecretOption = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="The platform uses the new secret: remove the old one.")
    ] = False,
    file: FileOption = None,
    base: UrlOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Add a new secret to a shop; --finish removes the old one.

    Both are valid in between, so no delivery is refused while the platform is changed. Only the
    shop's secrets change in the file. A running ingress reloads it within a second.

    Examples:
      hookline shops rotate run-free/lakeside
      hookline shops rotate run-free/lakeside --finish
      hookline shops rotate spiffy/johns --secret env:JOHNS_NEW_KEY
    """
    from hookline.shops import config_file
    from schemas.shops import parse

    path, url = _file_and_url(file, data, base)
    before = config_file.read(path)
    source, _, shop_id = name.partition("/")
    key = source, shop_id
    if finish and secret is not None:
        raise CommandError("--finish takes no secret: it removes the old one")
    if finish:
        after = config_file.without_old_secret(before, key)
    else:
        config_file.with_secret(before, key, secret or "new")  # fails before it asks
        after = config_file.with_secret(before, key, _secret(parse(before)[key].proof, secret))
    config_file.write(path, before, after)
    action = "has only its new secret in" if finish else "has a new and an old secret in"
    _show_result(path, parse(after)[key], url, as_json=as_json, action=action)
    if not finish and not as_json:
        output.print_line(f"When the platform uses it: hookline shops rotate {name} --finish")


def _checked(text: str, fields: dict[str, Any], key: str, value: str) -> str:
    """Check a field together with ``fields`` so far; ``text`` is the file. Raises BadParameter."""
    from hookline.shops import config_file
    from schemas.shops import ShopsError

    value = value.strip().upper() if key == "currency" else value.strip()
    trial = {"id": "x", "currency": "EUR", "secrets": ["x"], **fields, key: value}
    try:
        if key == "id":
            config_file.with_shop(text, trial)
        else:
            config_file.shop_of(trial)
    except (ShopsError, CommandError) as error:
        raise typer.BadParameter(str(error).removeprefix("shops[1].")) from error
    return value


def _ask(question: str, option: str, **more: Any) -> str:
    prompt: Callable[..., Any] = typer.prompt
    try:
        return str(prompt(question, err=True, **more))
    except typer.Abort as error:
        raise CommandError(f"no answer: give it as {option}") from error


def _secret(proof: str, given: str | None) -> str:
    """The given secret, else a generated token, else the platform's signing secret, asked for."""
    if given is not None:
        return given
    if proof == "token":
        return secrets.token_urlsafe(32)
    return _ask("The platform's signing secret (not shown)", "--secret", hide_input=True)


def _file_and_url(file: Path | None, data: Path | None, base: str | None) -> tuple[Path, str]:
    """The file to change, and the part of webhook URLs before ``/hooks/``."""
    from hookline.local.folder import EXAMPLE_SHOPS
    from hookline.shops import webhook_urls
    from runtime.settings import from_env

    if file is not None:
        return file, base or webhook_urls.BASE
    try:
        stack = find_stack(data)
    except CommandError:
        if data is not None:
            raise
        return Path(from_env().shops_file), base or webhook_urls.BASE
    path = Path(stack.settings.shops_file)
    if path.name == EXAMPLE_SHOPS:
        raise CommandError(
            f"the running stack uses the example, {path}: copy it to shops.toml and start the"
            " stack with that, or name the example with --file"
        )
    return path, base or stack.ingress_url


def _show_result(path: Path, shop: "Shop", base: str, *, as_json: bool, action: str) -> None:
    from hookline.shops import webhook_urls
    from ingest.secrets import SecretsError, resolve

    name = f"{shop.source}/{shop.id}"
    try:
        secret = resolve(shop.secrets[0])
    except SecretsError:
        secret = None  # only the ingress can resolve it
    url = webhook_urls.url(base, shop, secret)
    instructions = webhook_urls.instructions(shop)
    if as_json:
        output.print_json(
            {"shop": name, "file": str(path), "url": url, "instructions": instructions}
        )
        return
    lines = [f"{name} {action} {path}. Paste into the platform's settings:", "", f"  {url}", ""]
    lines += [*instructions, "A running ingress reloads the file: no restart is needed."]
    for line in lines:
        output.print_line(line)
