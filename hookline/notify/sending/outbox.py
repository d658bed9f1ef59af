"""Delivers what waits, each channel by itself, in order, until it is taken."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from hookline.notify.incidents import Message
from hookline.notify.sending.channels import Channel, DeliveryError, Fault
from hookline.notify.state import State, StateFile, Waiting, candidates
from runtime import logs

_log = logs.get("hookline.notify")
_PATIENCE = 3
"""Times that a receiver fails at a message until others are tried before it."""


class Outbox:
    """The messages of all channels; every change is on disk before anything is sent of it.

    A message is removed once it is taken. Who ends between the two sends it again, with its id.
    """

    def __init__(
        self, file: StateFile, channels: Sequence[Channel], clock: Callable[[], datetime]
    ) -> None:
        self._file, self._clock = file, clock
        self.channels: Mapping[str, Channel] = {each.name: each for each in channels}
        self.state: State = file.read()
        for name in self.state.waiting.keys() - self.channels.keys():
            dropped = self.state.waiting.pop(name)
            _log.warning("channel is not set any more", channel=name, messages=len(dropped))
        self.changed = threading.Condition()
        self._is_stopped = False

    def add(self, messages: Sequence[Message]) -> None:
        """Let messages wait for every channel, and keep the state."""
        with self.changed:
            self.state.add(list(self.channels), messages, self._clock())
            self._file.write(self.state)
            self.changed.notify_all()

    def deliver(self, name: str, *, at_once: bool = False) -> bool:
        """Send what is due on a channel, or, ``at_once``, all; stop at the first that is not taken.

        One that is refused for what it is, or at which the receiver fails again and again, lets the
        others pass, but for those about the same. Returns whether nothing waits any more.
        """
        refused: set[str] = set()
        while True:
            with self.changed:
                queue = self.state.waiting.get(name, [])
                if not queue:
                    return True
                now = self._clock()
                due = [
                    each
                    for each in candidates(queue)
                    if each.message.id not in refused and (at_once or each.is_due(now))
                ]
                if self._is_stopped or not due:
                    return False
                head = due[0]
            try:
                self.channels[name].send(head.message)
            except DeliveryError as error:
                head.failures_at_it += error.fault is Fault.UNKNOWN
                others_go_on = error.fault is Fault.OF_MESSAGE or head.failures_at_it >= _PATIENCE
                self._failed(name, head, str(error), others_go_on=others_go_on)
                if not others_go_on:
                    return False
                refused.add(head.message.id)
                continue
            except Exception as error:  # noqa: BLE001 - a fault of ours silences no channel
                _log.error("channel failed", channel=name, exc_info=error)
                self._failed(name, head, type(error).__name__, others_go_on=True)
                refused.add(head.message.id)
                continue
            with self.changed:
                if head in queue:  # else too many waited, and it was dropped meanwhile
                    queue.remove(head)
                self._file.write(self.state)
            _log.info("sent", channel=name, message=head.message.id, type=head.message.type)

    def run(self, name: str) -> None:
        """Deliver until ``stop``: the work of a channel's own thread."""
        while True:
            self.deliver(name)
            with self.changed:
                if self._is_stopped:
                    return
                self.changed.wait(self._pause(name))

    def stop(self) -> None:
        """End the channels' threads after the message that each is sending."""
        with self.changed:
            self._is_stopped = True
            self.changed.notify_all()

    def _failed(self, name: str, head: Waiting, reason: str, *, others_go_on: bool) -> None:
        with self.changed:
            head.failed(self._clock())
            head.is_aside = head.is_aside or others_go_on
            self._file.write(self.state)
        _log.warning(
            "not taken",
            channel=name,
            message=head.message.id,
            attempts=head.attempts,
            reason=reason,
        )

    def _pause(self, name: str) -> float | None:
        """Return the seconds until the next message is due, None while none waits."""
        queue = self.state.waiting.get(name)
        if not queue:
            return None
        now = self._clock()
        waits = [timedelta() if each.is_due(now) else each.next_at - now
                 for each in candidates(queue)]  # fmt: skip
        return max(min(waits).total_seconds(), 0.05)
