"""Who gets messages: a receiver of webhooks and a mail server, each on a real socket."""

import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

USER, PASSWORD = "hookline", "a word of the tests"
PATIENCE = 60.0
"""Seconds after which what does not come is missing."""


class Receiver:
    """Takes webhooks; answers with the statuses of ``answers``, then with 204."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self.answers: list[int] = []
        self.requests: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    async def __call__(self, request: Request) -> Response:
        self.requests.put((dict(request.headers), await request.body()))
        return Response(status_code=self.answers.pop(0) if self.answers else 204)

    def next(self) -> tuple[dict[str, str], bytes]:
        """The next request. Raises queue.Empty."""
        return self.requests.get(timeout=PATIENCE)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve a receiver until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(listener.getsockname()[1])
        app = Starlette(routes=[Route("/hook", receiver.__call__, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield receiver
        finally:
            server.should_exit = True
            thread.join()


class MailServer:
    """Takes mails; refuses the recipients of ``unknown``."""

    def __init__(self) -> None:
        self.mails: queue.Queue[EmailMessage] = queue.Queue()
        self.unknown: set[str] = set()
        self.port = 0
        self.was_secure: list[bool] = []

    async def handle_RCPT(  # noqa: N802 - the server's name of it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the server's name of it
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.was_secure.append(session.ssl is not None)
        self.mails.put(mail)
        return "250 taken"

    def next(self) -> EmailMessage:
        """The next mail. Raises queue.Empty."""
        return self.mails.get(timeout=PATIENCE)


@contextmanager
def taking_mail(certificate: tuple[Path, Path] | None = None) -> Iterator[MailServer]:
    """Serve a mail server; with a certificate it asks for STARTTLS and a login."""
    server = MailServer()
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": _authenticated,
        }
    with socket.create_server(("127.0.0.1", 0)) as free:
        server.port = free.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def _authenticated(
    _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
) -> AuthResult:
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=is_known)
