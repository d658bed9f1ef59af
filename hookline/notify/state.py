"""What a notifier remembers: open incidents, and the messages that wait for each channel."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from hookline.console.errors import CommandError
from hookline.notify.incidents import Incident, Message
from runtime import logs
from runtime.process.private_files import create_folder, write_private

MAX_WAITING = 1_000
"""Messages that wait for one channel; beyond, the oldest are dropped and logged."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
_log = logs.get("hookline.notify")


class Waiting(msgspec.Struct, kw_only=True):
    """A message of a channel, and when it is tried next.

    ``failures_at_it``: how often its receiver failed, perhaps at this message. ``is_aside``: it was
    refused for what it is, or failed so often that it may be; it holds up those about the same.
    """

    message: Message
    next_at: datetime
    attempts: int = 0
    failures_at_it: int = 0
    is_aside: bool = False

    def is_due(self, at: datetime) -> bool:
        """Whether to try it; a time farther away than any wait is of a clock that was set back."""
        return not at < self.next_at <= at + _LONGEST_WAIT

    def failed(self, at: datetime) -> None:
        """Wait twice as long as before, at most an hour."""
        self.next_at = at + min(_FIRST_WAIT * 2 ** min(self.attempts, 16), _LONGEST_WAIT)
        self.attempts += 1


class State(msgspec.Struct, kw_only=True):
    """Everything that outlives the process."""

    incidents: dict[str, Incident] = {}
    waiting: dict[str, list[Waiting]] = {}
    drift_at: datetime | None = None

    def add(self, channels: Sequence[str], messages: Sequence[Message], at: datetime) -> None:
        """Let messages wait for each channel, behind those that wait already.

        ``at``: by the clock that decides when they are due. That of the tables, which dates
        messages, may be ahead of it.
        """
        for channel in channels:
            queue = self.waiting.setdefault(channel, [])
            # One that is only repeated says nothing that the waiting one does not.
            stale = {
                (each.message.alert, each.message.shop)
                for each in queue
                if each.message.type == "repeated"
            }
            queue += [
                Waiting(message=each, next_at=at)
                for each in messages
                if each.type != "repeated" or (each.alert, each.shop) not in stale
            ]
            if (more := len(queue) - MAX_WAITING) > 0:
                del queue[:more]
                _log.error("messages dropped: too many wait", channel=channel, messages=more)


def candidates(queue: Sequence[Waiting]) -> list[Waiting]:
    """Return what may be tried next: those set aside, and the first of the others.

    None is behind one about the same.
    """
    found: dict[tuple[str, str], Waiting] = {}
    for each in queue:
        about = (each.message.alert, each.message.shop)
        if about not in found:
            found[about] = each
            if not each.is_aside:
                break
    return list(found.values())


class StateFile:
    """The file of a state; written whole, so that it is never half an old and half a new one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> State:
        """Return the state of the last run, or a new one. Raises CommandError."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CommandError(
                f"{self.path} is no state of `hookline notify` ({error}): move it away; open"
                " incidents are then reported again"
            ) from error

    def write(self, state: State) -> None:
        """Replace the file. A disk that takes nothing keeps no message back: it is logged."""
        try:
            create_folder(self.path.parent)
            write_private(self.path, msgspec.json.encode(state).decode())
        except OSError as error:
            _log.error("the state cannot be kept", file=str(self.path), reason=error.strerror)
