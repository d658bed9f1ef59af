"""A change that cannot be undone needs a yes, from whoever is there to give it."""

import pytest
import typer
from typer.testing import CliRunner, Result

from hookline.commands.confirm import confirm
from hookline.console.errors import CommandError


def asked(stdin: str) -> Result:
    app = typer.Typer()

    @app.command()
    def change() -> None:
        confirm("Go on?")
        typer.echo("changed")

    return CliRunner().invoke(app, [], input=stdin)


def test_a_yes_goes_on_and_a_no_does_not() -> None:
    assert "changed" in asked("y\n").output
    refused = asked("n\n")
    assert refused.exit_code == 1
    assert "changed" not in refused.output


@pytest.mark.parametrize("stdin", ["", "perhaps\n"])
def test_where_nobody_answers_the_option_is_named(stdin: str) -> None:
    result = asked(stdin)
    assert isinstance(result.exception, CommandError)
    assert "--yes is needed" in str(result.exception)
    assert "changed" not in result.output
