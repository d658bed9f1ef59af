"""Signatures as Standard Webhooks has them, held against the project's own library."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hookline.notify.sending.signatures import signature, signing_keys

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def secret(key: bytes) -> str:
    return f"whsec_{base64.b64encode(key).decode()}"


def test_the_published_example_has_the_published_signature() -> None:
    body = b'{"test": 2432232314}'
    signed = signature(signing_keys(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.text(min_size=1))
def test_another_library_verifies_it_and_refuses_another_body(key: bytes, text: str) -> None:
    body = f'{{"what":{len(text)}}}'.encode()
    now = int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(signing_keys(secret(key)), "msg_1", now, body),
    }
    Webhook(secret(key)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(key)).verify(body + b" ", headers)


def test_while_a_secret_is_replaced_both_verify() -> None:
    new = secret(b"n" * 32)
    now = int(datetime.now(UTC).timestamp())
    signed = signature(signing_keys(f"{new} {SECRET}"), "msg_1", now, b"{}")
    for each in (new, SECRET):
        Webhook(each).verify(
            b"{}",
            {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signed},
        )


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_what_is_no_secret_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="write whsec_") as refused:
        signing_keys(text)
    assert not text.removeprefix("whsec_") or text.removeprefix("whsec_") not in str(refused.value)
