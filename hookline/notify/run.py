"""What the command does: the process of a stack, one look, or a test message."""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hookline.console.errors import CommandError
from hookline.notify import incidents
from hookline.notify.conditions import drift
from hookline.notify.notifier import Notifier
from hookline.notify.reader import BoundedReader, TablesReader
from hookline.notify.sending import channels, rendering
from hookline.notify.sending.channels import DeliveryError
from hookline.notify.sending.outbox import Outbox
from hookline.notify.settings import PREFIX, NotifySettings
from hookline.notify.state import StateFile
from hookline.stack_address import StackAddress
from runtime.process.private_files import create_folder, open_private

FILE = "notify.json"


def watch(stack: StackAddress, settings: NotifySettings, folder: Path, *, has_kafka: bool) -> None:
    """Look and deliver until SIGINT or SIGTERM."""
    with _notifier(stack, settings, folder, has_kafka=has_kafka) as notifier:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: notifier.stop())
        notifier.run()


def once(
    stack: StackAddress, settings: NotifySettings, folder: Path, *, has_kafka: bool
) -> dict[str, Any]:
    """Look once, deliver all that waits, and return what is open and what could not be sent."""
    with _notifier(stack, settings, folder, has_kafka=has_kafka) as notifier:
        notifier.look()
        if notifier.is_drift_due():
            notifier.look_at_payloads()
        threads = [
            threading.Thread(
                target=partial(notifier.outbox.deliver, name, at_once=True), daemon=True
            )
            for name in notifier.outbox.channels
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        state = notifier.outbox.state
        return {
            "open": [
                {
                    "alert": each.condition.alert,
                    "shop": each.condition.shop or None,
                    "severity": each.condition.severity,
                    "what": each.condition.what,
                    "since": each.condition.since,
                    "do": each.condition.do,
                    "url": rendering.link(
                        incidents.message_of("raised", each.condition, each.condition.since),
                        settings.dashboard_url,
                    ),
                }
                for each in state.incidents.values()
                if each.sent_at is not None
            ],
            "waiting": {name: len(queue) for name, queue in state.waiting.items() if queue},
        }


def trial(settings: NotifySettings) -> list[dict[str, Any]]:
    """Send a test message through each channel; return what came of it."""
    message = incidents.trial_message(channels.now())
    results = []
    for channel in required(settings):
        try:
            channel.send(message)
            problem = None
        except DeliveryError as error:
            problem = str(error)
        results.append({"channel": channel.name, "message": message.id, "problem": problem})
    return results


def required(settings: NotifySettings) -> list[channels.Channel]:
    """Return the channels. Raises CommandError where there is none."""
    found = channels.configured(settings)
    if not found:
        raise CommandError(
            f"there is nobody to notify: set {PREFIX}URL and {PREFIX}SECRET, or {PREFIX}SMTP_URL,"
            f" {PREFIX}FROM and {PREFIX}TO (docs/notify.md)"
        )
    return found


@contextmanager
def _notifier(
    stack: StackAddress, settings: NotifySettings, folder: Path, *, has_kafka: bool
) -> Iterator[Notifier]:
    """Open the state of a folder. Raises CommandError where another notifier has it."""
    found = required(settings)
    create_folder(folder)
    path = folder / f"{stack.settings.prefix}{FILE}"
    with open_private(path.with_suffix(".lock"), "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"another `hookline notify` has {path}: each message would be sent twice"
            ) from error
        read = BoundedReader(TablesReader(stack, settings), settings, channels.now)
        read_drift = partial(drift.read, stack.settings) if has_kafka else None
        outbox = Outbox(StateFile(path), found, channels.now)
        yield Notifier(outbox, read, read_drift, settings, channels.now)
