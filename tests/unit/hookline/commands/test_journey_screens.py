"""How a journey is shown: waits, verdicts, commands to go on with."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hookline.commands.deliveries import journey_screens, listen_screens
from hookline.commands.deliveries.journey_screens import verdict_lines
from hookline.explain.story import Story
from hookline.journey.model import (
    Deliveries,
    EventRecord,
    Letter,
    Listed,
    Missing,
    MissingReason,
    Repeats,
    RowChange,
    RowState,
    Stored,
    Verdict,
    VerdictKind,
    wait_text,
)
from hookline.listen.heard import Heard
from tests.unit.hookline.journey.test_model import AT, JOURNEY


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (0.0074, "7 ms"),
        (1.26, "1.3 s"),
        (119.0, "119.0 s"),
        (3661.0, "1:01:01"),
        (-0.25, "-0.250 s (clocks differ)"),
    ],
)
def test_a_wait_is_short_and_a_negative_one_is_explained(seconds: float | None, shown: str) -> None:
    assert wait_text(seconds) == shown


def test_a_verdict_names_what_it_repeats_or_why_it_is_dead() -> None:
    repeats = Repeats("2:3", AT, "content", "019a")
    assert verdict_lines(Verdict(VerdictKind.DUPLICATE, repeats=repeats)) == [
        "repeats 2:3 (019a) by the content rule"
    ]
    letter = Letter(
        Stored("d", 2, 7, AT), "internal-error", "", "Traceback\nValueError: x", "parse"
    )
    assert verdict_lines(Verdict(VerdictKind.DEAD_LETTER, letters=(letter,))) == [
        "letter 2:7: internal-error, ValueError: x"
    ]
    marked = replace(
        letter, reason="too-large",
        path="a", detail="", slot="payment", mark="replayed", mark_reason="done",
        marked_at=datetime(2026, 1, 2, tzinfo=UTC), replayed_as="2:9",
    )  # fmt: skip
    assert verdict_lines(Verdict(VerdictKind.CANONICAL, letters=(marked,))) == [
        "letter 2:7 of payment: too-large at a; replayed 2026-01-02 00:00:00.000: done, as raw 2:9"
    ]


def test_no_text_of_a_sender_looks_like_a_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    forged = "x\n12:00:00.000  spiffy/johns  orders/paid  canonical"
    letter = Letter(Stored("d", 2, 7, AT), "unknown-event", forged, "", "parse", forged)
    row = RowChange("orders", forged, RowState.DECIDES, "e", changes=(
        {"generation": 1, "field": "name", "before": forged, "after": forged},
    ))  # fmt: skip
    event = EventRecord(Stored("orders", 0, 1, AT), "orders", forged, "e", forged)
    received = replace(JOURNEY.received, shop=forged, event=forged, entity=forged)
    verdict = Verdict(VerdictKind.DEAD_LETTER, letters=(letter,))
    given = replace(
        JOURNEY, received=received, verdict=verdict, events=(event,), rows=(row,), notes=(forged,)
    )
    journey_screens.show(given)
    heard = Heard(received, Stored("raw", 2, 3, AT), 0.0, verdict=verdict, events=(event,),
                  rows=(row,))  # fmt: skip
    listen_screens.show(heard)
    shown = capsys.readouterr().out
    assert shown.count(r"x\n12:00:00.000") >= 8
    assert not [line for line in shown.splitlines() if line.startswith("12:00:00.000  spiffy")]


def test_each_answer_is_shown_with_the_commands_that_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journey_screens.show(replace(JOURNEY, next=("hookline why carts x",), body={"id": 7}))
    shown = capsys.readouterr().out
    for text in ("delivery 019a", "signal ABANDONED", "waits in the outbox", '"id": 7',
                 "next:\n  hookline why carts x"):  # fmt: skip
        assert text in shown
    assert JOURNEY.raw is not None
    listed = Listed(JOURNEY.received, JOURNEY.raw, JOURNEY.verdict)
    journey_screens.show(Deliveries(("spiffy/main/order:1",), (listed,), None))
    assert "1 delivery; all that the raw topic still holds" in capsys.readouterr().out
    story = Story("order", "spiffy/main/order:1", ("COUNTED, since PAID",), {"events": []})
    journey_screens.show(Deliveries(("spiffy/main/order:1",), (listed,), None, stories=(story,)))
    shown = capsys.readouterr().out
    assert shown.index("COUNTED, since PAID") < shown.index("deliveries of spiffy/main/order:1")
    journey_screens.show(Deliveries(("spiffy/main/order:1",), (), AT))
    assert "0 deliveries; read back to 2026-01-01" in capsys.readouterr().out
    journey_screens.show(Missing(MissingReason.NOT_THERE, "not there", ("hookline status",)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "not there\nnext:\n  hookline status\n"
