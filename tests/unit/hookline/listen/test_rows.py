"""A delivery is shown when all its rows are visible, without them when that takes too long."""

from datetime import timedelta
from typing import Any

from hookline.journey.model import EventRecord, Received, RowChange, RowState, Stored
from hookline.journey.verdict import to_time
from hookline.listen import rows
from hookline.listen.heard import Heard, Rows
from hookline.listen.listening import Options
from hookline.listen.rows import RowDesk
from hookline.tables.queries import Rows as Answer
from tests.fake_log import NOW_MS

AT = to_time(NOW_MS)
RECEIVED = Received("a-delivery", "spiffy/main", "orders/create", "spiffy/main/order:1", AT)


class Tables:
    """A reader of nothing but stored offsets."""

    def __init__(self, **stored: int) -> None:
        self.stored = stored
        self.queries = 0

    def query(self, _statement: str) -> Answer:
        self.queries += 1
        after = AT + timedelta(seconds=0.25)
        return Answer(
            [], [(topic, 0, following, after) for topic, following in self.stored.items()]
        )


class Looked:
    """What was looked up, in the place of a delivery's effects; each takes ``seconds``."""

    def __init__(self, clock: "Clock", seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def __call__(self, _reader: Any) -> "Looked":
        self.rows: list[RowChange] = []
        return self

    def add(self, event: EventRecord) -> None:
        self._clock.now += self._seconds
        self.rows.append(RowChange("orders", "k", RowState.DECIDES, event.event_id))


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def heard(*events: tuple[str, int], **received: Any) -> Heard:
    made = tuple(
        EventRecord(Stored(topic, 0, offset, AT), topic, "slot", f"{topic}{offset}")
        for topic, offset in events
    )
    fields = {name: getattr(RECEIVED, name) for name in ("delivery", "shop", "event", "entity")}
    each = Heard(Received(at=AT, **fields, **received), Stored("raw", 0, 0, AT), 0.0)
    each.events, each.decided_at = made, 100.0
    return each


def desk(tables: Tables | None, monkeypatch: Any, seconds: float = 0.0) -> tuple[RowDesk, Clock]:
    clock = Clock()
    monkeypatch.setattr(rows, "Effects", Looked(clock, seconds))
    reader: Any = tables
    return RowDesk(reader, clock), clock


def test_a_delivery_waits_for_the_last_of_its_events(monkeypatch: Any) -> None:
    tables = Tables(orders=8)
    tested, _ = desk(tables, monkeypatch)
    tested.add(heard(("orders", 7), ("customers", 3)))
    assert tested.step() == []
    tables.stored["customers"] = 4
    (shown,) = tested.step()
    assert (shown.state, shown.visible_seconds, len(shown.rows)) == (Rows.VISIBLE, 0.25, 2)
    assert tested.is_idle


def test_a_repeat_waits_for_no_row(monkeypatch: Any) -> None:
    tables = Tables()
    tested, _ = desk(tables, monkeypatch)
    tested.add(heard())
    assert [each.state for each in tested.step()] == [Rows.NONE]
    assert tables.queries == 0


def test_after_too_long_a_wait_it_is_shown_without(monkeypatch: Any) -> None:
    tested, clock = desk(Tables(orders=7), monkeypatch)
    tested.add(heard(("orders", 7)))
    assert tested.step() == []
    clock.now += rows.PATIENCE_S + 1
    (shown,) = tested.step()
    assert (shown.state, shown.visible_seconds) == (Rows.WAITING, None)


def test_without_a_reader_nothing_waits(monkeypatch: Any) -> None:
    tested, _ = desk(None, monkeypatch)
    tested.add(heard(("orders", 7)))
    assert [each.state for each in tested.step()] == [Rows.UNREAD]


def test_rows_are_left_out_where_deliveries_come_faster(monkeypatch: Any) -> None:
    tested, _ = desk(Tables(orders=1000), monkeypatch, seconds=rows.BUDGET_S / 2 + 0.01)
    for offset in range(10):
        tested.add(heard(("orders", offset)))
    shown = tested.step()
    assert len(shown) == 10
    assert [each.were_rows_skipped for each in shown] == [False] * 2 + [True] * 8
    assert all(each.visible_seconds == 0.25 for each in shown)


def test_what_no_sender_sent_now_measures_nothing(monkeypatch: Any) -> None:
    tested, _ = desk(Tables(orders=1000), monkeypatch)
    tested.add(heard(("orders", 1), imported="a list"))
    tested.add(heard(("orders", 2), replay_of="0:1"))
    assert [each.visible_seconds for each in tested.step()] == [None, None]


def test_a_shop_is_named_with_or_without_its_platform_and_by_a_part() -> None:
    for shop in (None, "spiffy/main", "main", "spiffy/*", "ma*"):
        assert Options(shop=shop).is_wanted(RECEIVED)
    for shop in ("spiffy", "spiffy/other", "mai"):
        assert not Options(shop=shop).is_wanted(RECEIVED)
    assert Options(event="orders/*").is_wanted(RECEIVED)
    assert not Options(shop="main", event="carts/*").is_wanted(RECEIVED)
