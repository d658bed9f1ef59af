"""``hookline predict``: who buys again, how often and for how much."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find

if TYPE_CHECKING:
    from hookline.analysis.forecast_store import Run

_COLUMNS = (
    "shop", "currency", "customers", "repeat", "alive", "purchases_30d", "purchases_90d",
    "purchases_365d", "value_365d", "discounted_clv", "why_not",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    discount: Annotated[
        float, typer.Option(min=0, max=10, help="Rate a year at which later value counts less.")
    ] = 0.1,
    at_least: Annotated[
        tuple[int, int],
        typer.Option(
            metavar="CUSTOMERS REPEAT",
            help="Fit no shop with fewer customers, or fewer repeat customers.",
        ),
    ] = (100, 30),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data: DataOption = None,
) -> None:
    """Predict what customers will buy: a model for each shop and currency, fitted now.

    Fills the predicted columns of customer_lifetime_value (probability alive, expected purchases
    and net of 30, 90 and 365 days, discounted CLV), and prediction_runs with what they rest on.
    Takes customers whose whole history is known; says why where nothing is predicted. Models:
    BG/NBD and Gamma-Gamma. Run it daily; it may run beside the sinks.

    Examples:
      hookline predict
      hookline predict --dry-run --json | jq '.[].model'
      hookline predict --discount 0.08 --at-least 500 100
    """
    try:
        from hookline.analysis import forecast_store
    except ModuleNotFoundError as error:
        if error.name not in ("scipy", "numpy"):
            raise
        raise CommandError(
            f"predictions need {error.name}: pip install 'hookline[predict]'"
        ) from None

    settings = find(data).settings
    with output.reading(shown=not as_json) as progress:
        runs = asyncio.run(
            forecast_store.predict(
                settings, discount, at_least, writes=not dry_run, progress=progress
            )
        )
    if as_json:
        output.print_json([_told(run) for run in runs])
        return
    rows = [[_shown(run)[column] for column in _COLUMNS] for run in runs]
    output.out.print(output.table(None, [name.replace("_", " ") for name in _COLUMNS], rows))
    if not runs:
        output.out.print("customer_lifetime_value holds no row yet")


def _told(run: "Run") -> dict[str, Any]:
    found = run.found
    return {
        **_shown(run),
        "as_of": run.as_of,
        "predicted": len(found.predictions),
        "reason": found.reason,
        "value_reason": found.value_reason,
        "model": found.purchases
        and {name: getattr(found.purchases, name) for name in ("r", "alpha", "a", "b")},
        "value_model": found.values
        and {name: getattr(found.values, name) for name in ("p", "q", "gamma")},
        "correlation": found.correlation,
    }


def _shown(run: "Run") -> dict[str, Any]:
    found = run.found
    told = found.predictions
    sums = [sum(each.purchases[at] for each in told) if told else None for at in range(3)]
    values = [each.values[2] for each in told if each.values[2] is not None]
    kept = [each.discounted for each in told if each.discounted is not None]
    return {
        "shop": f"{run.source}/{run.shop}",
        "currency": run.currency,
        "customers": found.customers,
        "repeat": found.repeat_customers,
        "alive": round(sum(each.alive for each in told), 1) if told else None,
        "purchases_30d": sums[0] and round(sums[0], 1),
        "purchases_90d": sums[1] and round(sums[1], 1),
        "purchases_365d": sums[2] and round(sums[2], 1),
        "value_365d": sum(values) if values else None,
        "discounted_clv": sum(kept) if kept else None,
        "why_not": found.reason or found.value_reason,
    }
