"""Deliveries through real stages are heard as they come, each with its verdict and its rows."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hookline.commands.deliveries import listen_screens
from hookline.console import output
from hookline.journey.model import VerdictKind
from hookline.listen.heard import Heard, Rows
from hookline.listen.listening import Listener, Options
from hookline.stack_address import StackAddress
from tests import senders
from tests.conftest import LiveStack, prepare, run_apart
from tests.integration.commands.test_journey import ADDRESS, ORDER, SHOPS, example, post
from tests.pipeline import Pipeline, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def pipeline(live_stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("listen")
    shops = folder / "shops.toml"
    shops.write_text(SHOPS)
    settings = prepare(replace(live_stack.settings(), shops_file=str(shops)))
    with running(settings, folder / "logs") as pipeline:
        yield pipeline


def listened(
    stack: StackAddress, options: Options, bodies: list[bytes], pipeline: Pipeline
) -> tuple[list[Heard], Listener]:
    """Post the bodies once it listens; what was shown."""
    shown: list[Heard] = []
    listener = Listener(stack, options, shown.append)
    is_ready = threading.Event()

    def send() -> None:
        if is_ready.wait(60):
            for body in bodies:
                post(pipeline, body)

    sending = threading.Thread(target=send)
    sending.start()
    run_apart(listener.run(is_ready.set))
    sending.join(60)
    return shown, listener


def test_each_delivery_is_shown_with_its_verdict_events_and_rows(
    live_stack: LiveStack, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    contacts = live_stack.postgres.contacts_reader_url
    stack = StackAddress(pipeline.settings, pipeline.url, live_stack.reader_url, contacts)
    order = example("order-created", id=448726)
    bodies = [order, order, example("order-created", id=7, subtotal="much")]
    shown, listener = listened(stack, Options(count=3, seconds=60), bodies, pipeline)
    by_kind = {heard.verdict.kind: heard for heard in shown if heard.verdict is not None}
    assert set(by_kind) == {
        VerdictKind.CANONICAL, VerdictKind.DUPLICATE, VerdictKind.DEAD_LETTER,
    }  # fmt: skip
    made = by_kind[VerdictKind.CANONICAL]
    assert made.state is Rows.VISIBLE
    assert made.visible_seconds is not None
    assert ("orders", ORDER) in {(row.table, row.key) for row in made.rows}
    assert made.verdict is not None
    for heard in shown:
        listen_screens.show(heard)
        assert ADDRESS not in json.dumps(json.loads(output.to_json(heard.as_dict())))
    listen_screens.show_totals(listener.totals)
    lines, summary = capsys.readouterr()
    assert f"orders {ORDER} → orders (" in lines
    assert "invalid-payload at data.subtotal" in lines
    assert f"repeats {made.raw.position} by the " in lines
    assert summary.startswith("3 deliveries in ")


def test_only_dead_letters_of_the_shop_are_shown_where_only_they_are_asked_for(
    live_stack: LiveStack, pipeline: Pipeline
) -> None:
    stack = StackAddress(pipeline.settings, pipeline.url, live_stack.reader_url, "")
    bodies = [example("order-created", id=8), example("order-created", id=9, subtotal="much")]
    options = Options(shop=senders.SHOP, dead_only=True, count=1, seconds=60)
    (heard,), _ = listened(stack, options, bodies, pipeline)
    assert heard.verdict is not None
    assert heard.verdict.kind is VerdictKind.DEAD_LETTER
    other = Options(shop="spiffy/*", seconds=3)
    assert listened(stack, other, bodies[:1], pipeline)[0] == []
