"""The shops of these tests, their proofs, and the processors' verdict on stored deliveries."""

from dataclasses import dataclass

from ingest.signatures import hmac_base64
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from runtime.settings import Settings
from schemas import envelopes
from schemas.codec import Codec
from schemas.events import RECORDS
from tests.served import Served, request, status
from tests.toy_platform import Record

SHOPS = """
[[shops]]
source = "gooten"
id = "prints"
secrets = ["t0ken-of-prints"]
[[shops]]
source = "gooten"
id = "other"
secrets = ["t0ken-of-other"]
[[shops]]
source = "run-free"
id = "boots"
secrets = ["t0ken-of-boots"]
currency = "USD"
[[shops]]
source = "shoprocket"
id = "rocket"
secrets = ["s3cret-of-rocket"]
proof = "header"
proof_header = "X-Shoprocket-Secret"
[[shops]]
source = "spiffy"
id = "johns"
secrets = ["key-of-johns", "next-key-of-johns"]
currency = "GBP"
[[shops]]
source = "spiffy"
id = "janes"
secrets = ["key-of-janes"]
currency = "GBP"
"""
SETTINGS = Settings(port=0, body_timeout=0.5, produce_timeout=0.5)
GOOTEN = "/hooks/gooten/prints/t0ken-of-prints"
RUN_FREE = "/hooks/run-free/boots/t0ken-of-boots"
SPIFFY = "/hooks/spiffy/johns"
KEY = b"key-of-johns"
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
VERDICTS = Decider(CODEC, ADAPTERS, b"a key")

APPENDED_MS = 2_000_000_000_000

GOOD = b'{"Id": "1", "Items": []}'


def signed(body: bytes, key: bytes = KEY, name: str = "X-Spiffy-Hmac-Sha256") -> str:
    """The header that proves a body."""
    return f"{name}: {hmac_base64(key, body).decode()}"


def spiffy(body: bytes, *headers: str, topic: str = "orders/create", path: str = SPIFFY) -> bytes:
    """A request of the Spiffy shop; proved unless headers are given."""
    return request(body, f"X-Spiffy-Topic: {topic}", *(headers or (signed(body),)), path=path)


@dataclass(frozen=True, slots=True)
class Result:
    """The processors' verdict on a delivery; ``path`` names the field of a dead letter."""

    kind: str
    reason: str
    path: str


async def judged(served: Served, request: bytes) -> Result:
    """Send a delivery that must be stored as received; return the processors' verdict."""
    assert status(await served.exchange(request)) == 200
    assert request.endswith(b"\r\n\r\n" + served.record.value)
    (record,) = recorded(served)
    (verdict,) = VERDICTS.decide([record], PartitionIndex(), served.shops.shops)
    headers = dict(verdict.outcomes[0].headers)
    path = headers.get(envelopes.FIELD_PATH, b"").decode()
    return Result(verdict.kind, verdict.reason, path)


def recorded(served: Served) -> list[Record]:
    """What is stored, as the processors read it from the raw topic."""
    return [
        Record(offset, each.key, each.value, tuple(each.headers), timestamp=APPENDED_MS)
        for offset, each in enumerate(served.publisher.records)
    ]


CANONICAL = Result("canonical", "", "")


def dead(reason: str, path: str) -> Result:
    """A dead letter."""
    return Result("dead-letter", reason, path)
