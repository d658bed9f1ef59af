"""``hookline acls``: the rights in Kafka that each principal needs, and no others."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.options import JsonOption
from hookline.console import output
from hookline.console.errors import CommandError

if TYPE_CHECKING:
    from hookline.acls.formats import User
    from runtime.settings import Settings


class Form(StrEnum):
    """What the rights are printed for."""

    KAFKA_ACLS = "kafka-acls"
    STRIMZI = "strimzi"
    REDPANDA = "redpanda"


def acls(
    principal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE[=USER]",
            help="ingest, process, sink, operator, setup or analyst, and the user that it is on"
            " the brokers. [default: every role as hookline-ROLE]",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option(help="Commands of Kafka's tool or of rpk, or KafkaUser resources.")
    ] = Form.KAFKA_ACLS,
    as_json: JsonOption = False,
) -> None:
    """Print the Kafka rights that each stage and role needs: exactly these.

    Asks no broker and changes nothing. Names have HOOKLINE_PREFIX. Users of certificates
    go by their subjects (CN=ingest,O=Shop). operator is for audit, dead, why, topics and
    the like, setup for `hookline topics create` and `configure`; an analyst has none.

    Examples:
      hookline acls
      hookline acls --principal process=hookline-processors
      hookline acls --form strimzi --principal ingest --principal sink
      hookline acls --form redpanda
      hookline acls --json
    """
    from hookline.acls import formats
    from runtime.settings import from_env

    settings = from_env()
    users = [_user(each, settings) for each in principal or _roles()]
    if as_json:
        output.print_json(formats.as_json(users))
        return
    separator = "\n---\n" if form is Form.STRIMZI else "\n\n"
    print(separator.join(_text(user, form, settings) for user in users))


def _roles() -> list[str]:
    from hookline.acls.rights import GRANTS

    return list(GRANTS)


def _user(text: str, settings: "Settings") -> "User":
    from hookline.acls.formats import User
    from hookline.acls.rights import rights

    role, equals, name = text.partition("=")
    if role not in _roles():
        raise CommandError(f"--principal {text}: the role is one of {', '.join(_roles())}")
    name = name.removeprefix("User:")
    if equals and not name:
        raise CommandError(f"--principal {text}: name the user behind '='")
    return User(role, name or f"hookline-{role}", rights(role, settings.prefix))


def _text(user: "User", form: Form, settings: "Settings") -> str:
    from hookline.acls import formats

    if form is Form.STRIMZI:
        return formats.strimzi(user, is_tls=settings.security_protocol == "SSL")
    if form is Form.REDPANDA:
        return formats.redpanda(user)
    return formats.kafka_acls(user, settings.brokers)
