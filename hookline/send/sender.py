"""Example deliveries, sent and proved as their platforms send and prove them."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self

import httpx
import msgspec

from hookline.errors import CommandError
from hookline.send import json_edits, xml_edits
from hookline.send.examples import Sample
from hookline.send.json_edits import Edit
from ingest.secrets import SecretsError, resolve
from ingest.sources import prove
from schemas.shops import Shop

GOOTEN_QUERY = "orderid"
_HTTP_UNAVAILABLE = 503
_HTTP_TOO_MANY = 429
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ingress said. ``delivery`` is its id where the status is 200."""

    status: int
    delivery: str | None
    attempts: int
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """True when the ingress promised to keep it."""
        return self.status == httpx.codes.OK


def edited(sample: Sample, changes: list[Edit], shop: Shop, now: datetime | None = None) -> Sample:
    """The sample with changes applied; with none, its bytes as they stand.

    Raises CommandError for a change that does not fit.
    """
    if not changes:
        return sample
    when = now or datetime.now(UTC)
    if sample.content_type.endswith("xml"):
        body = xml_edits.apply(sample.body, changes, now=when, naive_zone=shop.naive_times_in)
        return replace(sample, body=body)
    try:
        document = json.loads(sample.body, parse_float=Decimal)
    except ValueError as error:
        raise CommandError(f"{sample.name} is no JSON: --set cannot change it") from error
    json_edits.apply(document, changes, now=when, naive_zone=shop.naive_times_in)
    return replace(sample, body=msgspec.json.format(_encode(document), indent=2))


def malformed(sample: Sample) -> Sample:
    """The sample, cut off in its middle as a broken connection would."""
    return replace(sample, body=sample.body[: len(sample.body) // 2])


def request(
    base_url: str, shop: Shop, sample: Sample, *, tampered: bool = False
) -> tuple[str, dict[str, str], bytes]:
    """URL, headers and body of the delivery.

    Tampered: proved first, changed on its way (where nothing is signed, with another token).
    Raises CommandError where the shop's secret cannot be resolved.
    """
    try:
        secret = resolve(shop.secrets[0])
    except SecretsError as error:
        raise CommandError(f"the secret of {shop.source}/{shop.id}: {error}") from error
    signs = shop.proof.startswith("hmac")
    if tampered and not signs:
        secret += b"-tampered"
    path, headers = prove(shop, secret, sample.body, sample.event)
    headers["content-type"] = sample.content_type
    body = sample.body + b" " if tampered and signs else sample.body
    query = f"?{sample.query}" if sample.query else ""
    return f"{base_url.rstrip('/')}{path}{query}", headers, body


def with_query(sample: Sample) -> Sample:
    """Gooten names the order in the query too."""
    if sample.source != "gooten":
        return sample
    try:
        said = json.loads(sample.body).get("NiceId", "")
    except (ValueError, AttributeError):
        return sample
    return replace(sample, query=str(httpx.QueryParams({GOOTEN_QUERY: said})))


class Sender:
    """Sends deliveries over one connection and, when asked, again like a platform on 503 or 429.

    ``base_url`` is the ingress; ``retries`` how often an unanswered or refused-for-now delivery
    is sent again.
    """

    def __init__(self, base_url: str, *, retries: int = 0, timeout: float = 15.0) -> None:
        self.base_url = base_url
        self._retries = retries
        self._client = httpx.Client(timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, shop: Shop, sample: Sample, *, tampered: bool = False) -> Answer:
        """Send one delivery. Raises httpx.TransportError when no attempt was answered."""
        url, headers, body = request(self.base_url, shop, with_query(sample), tampered=tampered)
        started = time.monotonic()
        for attempt, last in _attempts(self._retries):
            try:
                answer = self._client.post(url, headers=headers, content=body)
            except httpx.TransportError:
                if last:
                    raise
                time.sleep(min(0.5 * 2**attempt, 10))
                continue
            if not last and answer.status_code in (_HTTP_UNAVAILABLE, _HTTP_TOO_MANY):
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


def _attempts(retries: int) -> Iterator[tuple[int, bool]]:
    return ((attempt, attempt == retries) for attempt in range(retries + 1))
