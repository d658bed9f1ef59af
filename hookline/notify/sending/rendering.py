"""Messages as JSON for webhooks and as text for e-mail. No personal data is in one."""

import json
from datetime import datetime
from typing import Any

from hookline.notify.incidents import Message
from runtime.escaping import one_line

_WORDS = {
    "raised": "", "repeated": "still: ", "resolved": "resolved: ", "test": "test: ",
}  # fmt: skip


def link(message: Message, dashboard_url: str) -> str | None:
    """Return the dashboard's page about it; None where its address is not known."""
    return f"{dashboard_url.rstrip('/')}{message.page}" if dashboard_url else None


def body(message: Message, dashboard_url: str) -> bytes:
    """Return the JSON body of a webhook: the same bytes each time."""
    document: dict[str, Any] = {
        "type": f"hookline.alert.{message.type}",
        "timestamp": _time(message.at),
        "data": {
            "alert": message.alert,
            "severity": message.severity,
            "shop": message.shop or None,
            "what": one_line(message.what),
            "since": _time(message.since),
            "do": message.do,
            "url": link(message, dashboard_url),
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def subject(message: Message) -> str:
    """Return one line without control characters."""
    shop = f" {message.shop}:" if message.shop else ""
    return one_line(f"[hookline] {_WORDS[message.type]}{message.alert}{shop} {message.what}")[:200]


def text(message: Message, dashboard_url: str) -> str:
    """Return the text of a mail."""
    lines = [one_line(message.what), "", f"alert     {message.alert} ({message.severity})"]
    if message.shop:
        lines.append(f"shop      {one_line(message.shop)}")
    lines.append(f"since     {_time(message.since)}")
    if message.type == "resolved":
        lines.append(f"resolved  {_time(message.at)}")
    else:
        lines.append(f"do        {message.do}")
    if (url := link(message, dashboard_url)) is not None:
        lines.append(f"page      {url}")
    return "\n".join(lines) + "\n"


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
