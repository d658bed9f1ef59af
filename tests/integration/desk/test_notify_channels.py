"""The channels against a real receiver and a real mail server."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from hookline.notify.incidents import message_of
from hookline.notify.sending.channels import DeliveryError, Fault, Mail, Webhook
from hookline.notify.settings import NotifySettings, from_env
from tests.certificates import Authority
from tests.notify_conditions import NOON, condition
from tests.receivers import PASSWORD, USER, MailServer, Receiver, receiving, taking_mail

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = message_of("raised", condition("shop-silent:spiffy/main"), NOON)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def webhook(url: str) -> Webhook:
    return Webhook(from_env({"HOOKLINE_NOTIFY_URL": url, "HOOKLINE_NOTIFY_SECRET": SECRET}))


def test_a_webhook_is_signed_so_that_another_library_takes_it(receiver: Receiver) -> None:
    webhook(receiver.url).send(MESSAGE)
    headers, body = receiver.next()
    Verifier(SECRET).verify(body, headers)
    assert headers["webhook-id"] == MESSAGE.id
    document = json.loads(body)
    assert document["type"] == "hookline.alert.raised"
    assert document["data"]["shop"] == "spiffy/main"


@pytest.mark.parametrize("status", [301, 400, 404, 410, 429, 500, 503])
def test_only_an_answer_of_success_has_taken_it(receiver: Receiver, status: int) -> None:
    receiver.answers = [status, 200]
    channel = webhook(receiver.url)
    with pytest.raises(DeliveryError, match=f"answered {status}"):
        channel.send(MESSAGE)
    channel.send(MESSAGE)
    (first, body), (second, again) = receiver.next(), receiver.next()
    assert first["webhook-id"] == second["webhook-id"]
    assert body == again


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (Fault.OF_MESSAGE, (400, 406, 413, 418, 422, 431, 499)),
        (Fault.UNKNOWN, (500, 501, 502, 504)),
        (Fault.NOT_OF_MESSAGE, (302, 401, 403, 404, 410, 429, 503)),
    ],
)
def test_an_answer_shows_what_the_message_has_to_do_with_it(
    receiver: Receiver, fault: Fault, statuses: tuple[int, ...]
) -> None:
    receiver.answers = list(statuses)
    for _ in statuses:
        with pytest.raises(DeliveryError) as failed:
            webhook(receiver.url).send(MESSAGE)
        assert failed.value.fault is fault


def test_a_host_that_can_be_none_is_no_answer() -> None:
    with pytest.raises(DeliveryError, match="no answer of the receiver: ") as failed:
        webhook(f"http://{'a' * 64}.example:1/").send(MESSAGE)
    assert failed.value.fault is Fault.NOT_OF_MESSAGE


def test_a_receiver_that_is_away_is_no_answer_and_its_url_is_not_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DeliveryError, match="no answer of the receiver: ConnectError") as failed:
        webhook(f"http://127.0.0.1:{port}/a-token").send(MESSAGE)
    assert "a-token" not in str(failed.value)
    assert failed.value.fault is Fault.NOT_OF_MESSAGE


def mail(server: MailServer, query: str = "", login: str = "") -> Mail:
    return Mail(
        NotifySettings(
            smtp_url=f"smtp://{login}127.0.0.1:{server.port}{query}",
            sender="Hookline <hookline@example.com>",
            to="a@example.com, b@example.com",
        )
    )


def test_a_mail_says_what_since_when_and_what_to_do() -> None:
    with taking_mail() as server:
        mail(server).send(MESSAGE)
        taken = server.next()
    assert taken["Subject"] == "[hookline] shop-silent spiffy/main: something"
    assert taken["Message-ID"] == f"<{MESSAGE.id}@example.com>"
    assert (taken["From"], taken["To"]) == (
        "Hookline <hookline@example.com>", "a@example.com, b@example.com",
    )  # fmt: skip
    text = taken.get_content()
    assert "since     2026-05-01T12:00:00Z" in text
    assert "do        hookline status" in text


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    authority = Authority(tmp_path / "tls").create()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cafile))
    return authority.sign("127.0.0.1")


LOGIN = f"{USER}:{quote(PASSWORD)}@"


def test_a_login_goes_over_starttls(certificate: tuple[Path, Path]) -> None:
    with taking_mail(certificate) as server:
        mail(server, "?tls=required", LOGIN).send(MESSAGE)
        assert server.next()["Message-ID"]
        assert server.was_secure == [True]
        with pytest.raises(DeliveryError):
            mail(server, "?tls=required", f"{USER}:wrong@").send(MESSAGE)
        assert server.mails.empty()


def test_a_server_that_nobody_vouches_for_gets_no_password(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Authority(tmp_path / "other").create()
    monkeypatch.setenv("SSL_CERT_FILE", str(other.cafile))
    with taking_mail(certificate) as server:
        with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
            mail(server, "?tls=required", LOGIN).send(MESSAGE)
        assert server.mails.empty()


def test_a_server_without_starttls_gets_nothing_where_it_is_needed() -> None:
    with taking_mail() as server:
        with pytest.raises(DeliveryError, match="has no STARTTLS"):
            mail(server, "?tls=required").send(MESSAGE)
        assert server.mails.empty()


def test_a_recipient_who_is_refused_keeps_the_mail_from_nobody_else() -> None:
    with taking_mail() as server:
        server.unknown = {"b@example.com"}
        mail(server).send(MESSAGE)
        assert server.next()["Message-ID"]
        server.unknown = {"a@example.com", "b@example.com"}
        with pytest.raises(DeliveryError, match="refused the recipients") as failed:
            mail(server).send(MESSAGE)
    assert failed.value.fault is Fault.NOT_OF_MESSAGE


def test_a_mail_server_that_hangs_up_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MailServer()
        server.port = listener.getsockname()[1]

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(DeliveryError, match="no answer of the mail server"):
            mail(server).send(MESSAGE)
        thread.join()
