"""Sends example deliveries with the signature or token of their platforms."""

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self

import httpx
import msgspec

from hookline.console.errors import CommandError
from hookline.send import json_edits, xml_edits
from hookline.send.examples import ExampleDelivery
from hookline.send.json_edits import Edit
from ingest.secrets import SecretsError, resolve
from ingest.sources import prove
from schemas.shops import Shop

GOOTEN_QUERY = "orderid"
_RETRY_STATUSES = (429, 503)
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the ingress. ``delivery`` is its id if the status is 200."""

    status: int
    delivery: str | None
    attempts: int
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """Whether the ingress has stored the delivery."""
        return self.status == httpx.codes.OK


def edited(
    example: ExampleDelivery, edits: list[Edit], shop: Shop, now: datetime | None = None
) -> ExampleDelivery:
    """Apply edits to an example; without any, its bytes stay the same.

    Raises CommandError for an edit that does not fit.
    """
    if not edits:
        return example
    when = now or datetime.now(UTC)
    if example.content_type.endswith("xml"):
        body = xml_edits.apply(example.body, edits, now=when, naive_zone=shop.naive_times_in)
        return replace(example, body=body)
    try:
        document = json.loads(example.body, parse_float=Decimal)
    except ValueError as error:
        raise CommandError(f"{example.name} is not JSON: --set cannot change it") from error
    json_edits.apply(document, edits, now=when, naive_zone=shop.naive_times_in)
    return replace(example, body=msgspec.json.format(_encode(document), indent=2))


def malformed(example: ExampleDelivery) -> ExampleDelivery:
    """Cut the body in half, as a broken connection would."""
    return replace(example, body=example.body[: len(example.body) // 2])


def request(
    base_url: str, shop: Shop, example: ExampleDelivery, *, tampered: bool = False
) -> tuple[str, dict[str, str], bytes]:
    """Build the URL, headers and body of a delivery.

    ``tampered``: the body is changed after signing; without a signature, the token is changed.
    Raises CommandError if the shop's secret cannot be resolved.
    """
    try:
        secret = resolve(shop.secrets[0])
    except SecretsError as error:
        raise CommandError(f"the secret of {shop.source}/{shop.id}: {error}") from error
    is_signed = shop.proof.startswith("hmac")
    if tampered and not is_signed:
        secret += b"-tampered"
    path, headers = prove(shop, secret, example.body, example.event)
    headers["content-type"] = example.content_type
    body = example.body + b" " if tampered and is_signed else example.body
    query = f"?{example.query}" if example.query else ""
    return f"{base_url.rstrip('/')}{path}{query}", headers, body


def with_query(example: ExampleDelivery) -> ExampleDelivery:
    """Add Gooten's query, which repeats the order id of the body."""
    if example.source != "gooten":
        return example
    try:
        order_id = json.loads(example.body).get("NiceId", "")
    except (ValueError, AttributeError):
        return example
    return replace(example, query=str(httpx.QueryParams({GOOTEN_QUERY: order_id})))


class Sender:
    """Sends deliveries over one connection.

    ``retries``: how often to send a delivery again after no answer, 429 or 503.
    """

    def __init__(self, base_url: str, *, retries: int = 0, timeout: float = 15.0) -> None:
        self.base_url = base_url
        self._retries = retries
        self._client = httpx.Client(timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, shop: Shop, example: ExampleDelivery, *, tampered: bool = False) -> Answer:
        """Send one delivery. Raises httpx.TransportError if the last attempt gets no answer."""
        url, headers, body = request(self.base_url, shop, with_query(example), tampered=tampered)
        started = time.monotonic()
        for attempt in range(self._retries + 1):
            is_last = attempt == self._retries
            try:
                answer = self._client.post(url, headers=headers, content=body)
            except httpx.TransportError:
                if is_last:
                    raise
                time.sleep(min(0.5 * 2**attempt, 10))
                continue
            if not is_last and answer.status_code in _RETRY_STATUSES:
                time.sleep(min(float(answer.headers.get("retry-after", 1)), 10))
                continue
            accepted = answer.status_code == httpx.codes.OK
            return Answer(
                status=answer.status_code,
                delivery=answer.json()["delivery"] if accepted else None,
                attempts=attempt + 1,
                seconds=time.monotonic() - started,
            )
        raise AssertionError  # the last attempt returns or raises
