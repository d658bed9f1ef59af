"""``hookline predict``: expected purchases and value of customers."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.options import DataOption, DryRunOption, JsonOption
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.analysis.forecast_store import Run

_COLUMNS = (
    "shop", "currency", "customers", "repeat", "alive", "purchases_30d", "purchases_90d",
    "purchases_365d", "value_365d", "discounted_clv", "why_not",
)  # fmt: skip


def predict(
    discount: Annotated[
        float, typer.Option(min=0, max=10, help="Yearly discount rate of future value.")
    ] = 0.1,
    at_least: Annotated[
        tuple[int, int],
        typer.Option(
            metavar="CUSTOMERS REPEAT",
            help="Fit no shop with fewer customers, or fewer repeat customers.",
        ),
    ] = (100, 30),
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Predict what customers will buy, with a model fitted for each shop and currency.

    Fills the predicted columns of customer_lifetime_value (probability alive, expected purchases
    and net of 30, 90 and 365 days, discounted CLV), and prediction_runs with the fitted models.
    Uses customers with a complete history; shows why where nothing is predicted. Models: BG/NBD
    and Gamma-Gamma. Run it daily; the sinks may be running.

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

    settings = find_stack(data).settings
    with output.progress_bar(shown=not as_json) as progress:
        runs = asyncio.run(
            forecast_store.predict(
                settings, discount, at_least, writes=not dry_run, progress=progress
            )
        )
    if as_json:
        output.print_json([_as_dict(run) for run in runs])
        return
    rows = [[_summary(run)[column] for column in _COLUMNS] for run in runs]
    output.out.print(output.table(None, [name.replace("_", " ") for name in _COLUMNS], rows))
    if not runs:
        output.out.print("customer_lifetime_value has no rows yet")
    else:
        hints.show("predict", data)


def _as_dict(run: "Run") -> dict[str, Any]:
    forecast = run.forecast
    return {
        **_summary(run),
        "as_of": run.as_of,
        "predicted": len(forecast.predictions),
        "reason": forecast.reason,
        "value_reason": forecast.value_reason,
        "model": forecast.purchases and asdict(forecast.purchases),
        "value_model": forecast.values and asdict(forecast.values),
        "correlation": forecast.correlation,
    }


def _summary(run: "Run") -> dict[str, Any]:
    forecast = run.forecast
    predictions = forecast.predictions
    sums = [sum(p.purchases[at] for p in predictions) if predictions else None for at in range(3)]
    values = [p.values[2] for p in predictions if p.values[2] is not None]
    discounted = [p.discounted for p in predictions if p.discounted is not None]
    return {
        "shop": f"{run.source}/{run.shop}",
        "currency": run.currency,
        "customers": forecast.customers,
        "repeat": forecast.repeat_customers,
        "alive": round(sum(p.alive for p in predictions), 1) if predictions else None,
        "purchases_30d": sums[0] and round(sums[0], 1),
        "purchases_90d": sums[1] and round(sums[1], 1),
        "purchases_365d": sums[2] and round(sums[2], 1),
        "value_365d": sum(values) if values else None,
        "discounted_clv": sum(discounted) if discounted else None,
        "why_not": forecast.reason or forecast.value_reason,
    }
