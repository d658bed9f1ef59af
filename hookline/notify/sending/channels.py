"""Where messages go: a webhook, signed by Standard Webhooks, and e-mail by SMTP."""

import smtplib
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import Enum
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx

from hookline.notify.incidents import Message
from hookline.notify.sending import rendering
from hookline.notify.sending.signatures import signature, signing_keys
from hookline.notify.settings import NotifySettings
from runtime import logs
from runtime.settings import trusting

_log = logs.get("hookline.notify")
TIMEOUT = 10.0
"""Seconds for each step of a delivery: to connect, to write, for an answer."""
_PORTS = {"smtp": 587, "smtps": 465}
_OF_ALL = frozenset({401, 402, 403, 404, 405, 407, 408, 410, 421, 423, 425, 426, 429, 451, 503})
"""Answers that refuse whatever is sent there now."""
_FOR_GOOD = 500
"""From here on a mail server's answers do not change by waiting."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Fault(Enum):
    """What a failure has to do with the message: everything, perhaps something, nothing."""

    OF_MESSAGE = 1
    UNKNOWN = 2
    NOT_OF_MESSAGE = 3


class DeliveryError(Exception):
    """A message was not taken, or nobody knows whether it was: it is sent again.

    ``fault``: what that has to do with the message.
    """

    def __init__(self, reason: str, fault: Fault = Fault.NOT_OF_MESSAGE) -> None:
        super().__init__(reason)
        self.fault = fault


class Channel(Protocol):
    """Takes one message at a time; a channel never waits for another."""

    name: str

    def send(self, message: Message) -> None:
        """Send it. Raises DeliveryError."""


class Webhook:
    """POSTs to one receiver. An answer of 2xx, and no other, has taken the message."""

    name = "webhook"

    def __init__(self, settings: NotifySettings, clock: Callable[[], float] = time.time) -> None:
        self._url, self._dashboard_url = settings.url, settings.dashboard_url
        self._keys = signing_keys(settings.secret)
        self._clock = clock

    def send(self, message: Message) -> None:
        """Send it, signed for the time of this attempt. Raises DeliveryError."""
        body = rendering.body(message, self._dashboard_url)
        timestamp = int(self._clock())
        headers = {
            "content-type": "application/json",
            "user-agent": "hookline-notify",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys, message.id, timestamp, body),
        }
        host = urlsplit(self._url)
        verify = trusting(None, "the system's authorities") if host.scheme == "https" else True
        is_local = host.hostname in _LOOPBACK
        try:
            with (
                httpx.Client(timeout=TIMEOUT, verify=verify, trust_env=not is_local) as client,
                # Only the status: a receiver's body may be endless.
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                if not answer.is_success:
                    status = answer.status_code
                    raise DeliveryError(f"the receiver answered {status}", _fault_of(status))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise DeliveryError(f"no answer of the receiver: {type(error).__name__}") from error


def _fault_of(status: int) -> Fault:
    """Return what an answer has to do with the message: most 4xx are of it, a 5xx may be."""
    if status in _OF_ALL or not httpx.codes.is_error(status):
        return Fault.NOT_OF_MESSAGE
    return Fault.OF_MESSAGE if httpx.codes.is_client_error(status) else Fault.UNKNOWN


class Mail:
    """Sends one mail to all recipients, over TLS unless the server is on this machine."""

    name = "mail"

    def __init__(self, settings: NotifySettings) -> None:
        parts = urlsplit(settings.smtp_url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._is_smtps = parts.scheme == "smtps"
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._starttls = parts.scheme == "smtp" and (
            parts.query == "tls=required" or (self._host not in _LOOPBACK and not parts.query)
        )
        self._sender, self._recipients = settings.sender, settings.recipients
        self._dashboard_url = settings.dashboard_url

    def send(self, message: Message) -> None:
        """Send it; its Message-ID is the same each time. Raises DeliveryError."""
        mail = self.mail(message)
        try:
            with self._connected() as server:
                refused = server.send_message(mail, self._sender, self._recipients)
        except (OSError, smtplib.SMTPException) as error:
            raise _not_taken(error) from error
        if refused:  # the others have it: again would be again for them
            _log.error("the mail server refused some recipients", recipients=len(refused))

    def mail(self, message: Message) -> EmailMessage:
        """Return the mail of a message."""
        mail = EmailMessage()
        mail["Subject"] = rendering.subject(message)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = format_datetime(message.at.astimezone(UTC))
        domain = self._sender.rpartition("@")[2].strip(" <>")
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(rendering.text(message, self._dashboard_url))
        return mail

    def _connected(self) -> smtplib.SMTP:
        context = trusting(None, "the system's authorities")
        server: smtplib.SMTP
        if self._is_smtps:
            server = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
        try:
            self._secured(server, context)
        except BaseException:
            server.close()
            raise
        return server

    def _secured(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if self._starttls:
            # Raises where the server offers none: nothing is sent in the clear unasked.
            server.starttls(context=context)
            server.ehlo()
        if self._user:
            server.login(self._user, self._password)


def _not_taken(error: OSError | smtplib.SMTPException) -> DeliveryError:
    """Name the fault without what the server wrote, which may be an address."""
    if isinstance(error, smtplib.SMTPResponseException):
        fault = Fault.NOT_OF_MESSAGE
        if isinstance(error, smtplib.SMTPDataError):
            fault = Fault.OF_MESSAGE if error.smtp_code >= _FOR_GOOD else Fault.UNKNOWN
        return DeliveryError(f"the mail server answered {error.smtp_code}", fault)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return DeliveryError("the mail server refused the recipients")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(
            "the mail server has no STARTTLS or no login: smtps://, or ?tls=none if it is trusted"
        )
    return DeliveryError(f"no answer of the mail server: {type(error).__name__}")


def configured(settings: NotifySettings) -> list[Channel]:
    """Return the channels that the settings name."""
    channels: list[Channel] = []
    if settings.url:
        channels.append(Webhook(settings))
    if settings.smtp_url:
        channels.append(Mail(settings))
    return channels


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
