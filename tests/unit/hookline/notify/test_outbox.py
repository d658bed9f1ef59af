"""A message waits until its channel has taken it; no channel waits for another."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hookline.console.errors import CommandError
from hookline.notify.incidents import Message, message_of
from hookline.notify.sending.channels import DeliveryError, Fault
from hookline.notify.sending.outbox import Outbox
from hookline.notify.state import MAX_WAITING, StateFile
from tests.notify_conditions import NOON, condition


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


class Taker:
    """A channel that takes what it is given, or refuses while ``is_away``."""

    def __init__(self, name: str = "webhook") -> None:
        self.name = name
        self.is_away = False
        self.tried: list[str] = []
        self.taken: list[Message] = []

    def send(self, message: Message) -> None:
        self.tried.append(message.id)
        if self.is_away:
            raise DeliveryError("away")
        self.taken.append(message)


def raised(key: str = "dead-letters") -> Message:
    return message_of("raised", condition(key), NOON)


def test_a_message_is_tried_again_with_its_id_ever_later_until_it_is_taken(tmp_path: Path) -> None:
    clock, channel = Clock(), Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    channel.is_away = True
    message = raised()
    outbox.add([message])
    waits = []
    for _ in range(14):
        outbox.deliver("webhook")
        pause = outbox._pause("webhook")
        assert pause is not None
        outbox.deliver("webhook")  # too early: nothing is tried
        waits.append(pause)
        clock.at += timedelta(seconds=pause)
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 3600
    assert channel.tried == [message.id] * 14
    channel.is_away = False
    assert outbox.deliver("webhook")
    assert [each.id for each in channel.taken] == [message.id]
    assert outbox._pause("webhook") is None


def test_what_waits_outlives_the_process_in_its_order(tmp_path: Path) -> None:
    file, channel = StateFile(tmp_path / "new" / "s.json"), Taker()
    channel.is_away = True
    outbox = Outbox(file, [channel], Clock())
    messages = [raised("a"), raised("b"), raised("c")]
    outbox.add(messages)
    outbox.deliver("webhook", at_once=True)
    channel.is_away = False
    again = Outbox(file, [channel], Clock())
    assert again.deliver("webhook", at_once=True)
    assert channel.taken == messages
    assert file.path.stat().st_mode & 0o077 == 0


def test_a_process_that_ends_before_it_noted_the_answer_sends_again_with_the_same_id(
    tmp_path: Path,
) -> None:
    file, message = StateFile(tmp_path / "s.json"), raised()
    first, second = Taker(), Taker()
    Outbox(file, [first], Clock()).add([message])
    first.send(message)  # taken, and killed before the file is written
    assert Outbox(file, [second], Clock()).deliver("webhook", at_once=True)
    assert [each.id for each in (*first.taken, *second.taken)] == [message.id] * 2


def test_a_later_message_waits_for_an_earlier_one_of_its_channel(tmp_path: Path) -> None:
    clock, channel = Clock(), Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    channel.is_away = True
    first, over = raised(), message_of("resolved", condition(), NOON)
    outbox.add([first])
    outbox.deliver("webhook")
    channel.is_away = False
    outbox.add([over])
    outbox.deliver("webhook")
    assert channel.taken == []
    clock.at += timedelta(seconds=5)
    outbox.deliver("webhook")
    assert channel.taken == [first, over]


class Stuck(Taker):
    """A channel that takes for ever."""

    def __init__(self) -> None:
        super().__init__("mail")
        self.begun, self.released = threading.Event(), threading.Event()

    def send(self, message: Message) -> None:
        self.begun.set()
        self.released.wait()
        super().send(message)


def test_a_channel_that_is_stuck_keeps_no_other_from_its_messages(tmp_path: Path) -> None:
    stuck, other = Stuck(), Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [stuck, other], Clock())
    thread = threading.Thread(target=outbox.run, args=("mail",))
    thread.start()
    outbox.add([raised("a")])
    stuck.begun.wait()
    outbox.add([raised("b")])
    assert outbox.deliver("webhook")
    assert [each.alert for each in other.taken] == ["a", "b"]
    stuck.released.set()
    outbox.stop()
    thread.join()
    assert stuck.taken


class Broken(Taker):
    def send(self, message: Message) -> None:
        super().send(message)
        raise ZeroDivisionError


def test_a_fault_of_ours_counts_as_not_taken(tmp_path: Path) -> None:
    broken = Broken()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [broken], Clock())
    outbox.add([raised()])
    assert not outbox.deliver("webhook")
    assert outbox.state.waiting["webhook"][0].attempts == 1


class Picky(Taker):
    """A receiver that takes all messages but those about one thing."""

    def __init__(self, refuses: str, error: Exception) -> None:
        super().__init__()
        self.refuses, self.error = refuses, error

    def send(self, message: Message) -> None:
        self.tried.append(message.id)
        if message.alert == self.refuses:
            raise self.error
        self.taken.append(message)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    "error", [DeliveryError("400", Fault.OF_MESSAGE), ZeroDivisionError()], ids=str
)
def test_a_message_that_is_refused_for_what_it_is_silences_no_other(
    tmp_path: Path, error: Exception, *, at_once: bool
) -> None:
    clock, channel = Clock(), Picky("a", error)
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    first, over = raised("a"), message_of("resolved", condition("a"), NOON)
    outbox.add([first, raised("b"), over, raised("c")])
    assert not outbox.deliver("webhook", at_once=at_once)
    assert [each.alert for each in channel.taken] == ["b", "c"]
    pause = outbox._pause("webhook")
    assert pause == 5
    outbox.add([raised("d")])  # while the refused one waits to be tried again
    assert not outbox.deliver("webhook", at_once=at_once)
    assert [each.alert for each in channel.taken] == ["b", "c", "d"]
    channel.refuses = ""
    clock.at += timedelta(seconds=10)
    assert outbox.deliver("webhook", at_once=at_once)
    assert channel.taken[3:] == [first, over]


def test_a_message_at_which_its_receiver_fails_again_and_again_silences_no_other(
    tmp_path: Path,
) -> None:
    clock, channel = Clock(), Picky("a", DeliveryError("500", Fault.UNKNOWN))
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    first, over = raised("a"), message_of("resolved", condition("a"), NOON)
    outbox.add([first, raised("b"), over, raised("c")])
    for _ in range(2):  # as long as it may only be overloaded, nothing else is sent there
        assert not outbox.deliver("webhook")
        assert channel.taken == []
        clock.at += timedelta(seconds=30)
    assert not outbox.deliver("webhook")
    assert [each.alert for each in channel.taken] == ["b", "c"]
    channel.refuses = ""
    clock.at += timedelta(seconds=30)
    assert outbox.deliver("webhook")
    assert channel.taken[2:] == [first, over]


def test_a_receiver_that_is_not_there_is_asked_for_one_message_only(tmp_path: Path) -> None:
    clock, channel = Clock(), Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    channel.is_away = True
    outbox.add([raised("a"), raised("b")])
    for _ in range(10):
        outbox.deliver("webhook")
        clock.at += timedelta(hours=1)
    assert len(channel.tried) == 10
    assert len(set(channel.tried)) == 1


def test_only_what_may_be_of_the_message_counts_against_it(tmp_path: Path) -> None:
    clock, channel = Clock(), Picky("a", DeliveryError("away"))
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    outbox.add([raised("a"), raised("b")])
    for error in (*[DeliveryError("away")] * 5, *[DeliveryError("500", Fault.UNKNOWN)] * 2):
        channel.error = error
        assert not outbox.deliver("webhook")
        assert channel.taken == []
        clock.at += timedelta(hours=1)
    assert not outbox.deliver("webhook")
    assert [each.alert for each in channel.taken] == ["b"]


def test_a_clock_of_the_tables_that_is_ahead_holds_no_message_back(tmp_path: Path) -> None:
    clock, channel = Clock(), Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    clock.at -= timedelta(hours=3)
    outbox.add([raised()])
    assert outbox.deliver("webhook")


def test_a_clock_that_is_set_back_holds_no_message_back(tmp_path: Path) -> None:
    clock, channel = Clock(), Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], clock)
    channel.is_away = True
    outbox.add([raised()])
    outbox.deliver("webhook")
    channel.is_away = False
    clock.at -= timedelta(days=400)
    pause = outbox._pause("webhook")
    assert pause is not None
    assert pause < 1
    assert outbox.deliver("webhook")


def test_a_receiver_that_is_away_for_long_gets_what_is_new_not_what_was_only_repeated(
    tmp_path: Path,
) -> None:
    channel = Taker()
    outbox = Outbox(StateFile(tmp_path / "s.json"), [channel], Clock())
    outbox.add([raised()])
    for _ in range(3):
        outbox.add([message_of("repeated", condition(), NOON)])
    outbox.deliver("webhook")
    assert [each.type for each in channel.taken] == ["raised", "repeated"]
    outbox.add([raised(f"a:{number}") for number in range(MAX_WAITING + 5)])
    outbox.deliver("webhook")
    assert channel.taken[2].shop == "5"


def test_a_channel_that_is_not_set_any_more_has_no_messages(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "s.json")
    Outbox(file, [Taker("mail"), Taker()], Clock()).add([raised()])
    assert set(Outbox(file, [Taker()], Clock()).state.waiting) == {"webhook"}


def test_a_file_that_is_none_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"incidents": 3}')
    with pytest.raises(CommandError, match=r"s\.json is no state of .*move it away"):
        StateFile(path).read()


def test_a_disk_that_takes_nothing_keeps_no_message_back(tmp_path: Path) -> None:
    channel = Taker()
    (tmp_path / "file").touch()
    outbox = Outbox(StateFile(tmp_path / "none" / "s.json"), [channel], Clock())
    outbox._file.path = tmp_path / "file" / "s.json"
    outbox.add([raised()])
    assert outbox.deliver("webhook")
    assert len(channel.taken) == 1
