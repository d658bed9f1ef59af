"""Proofs of origin that are none: refused alike, nothing is stored."""

import base64
import hmac
from typing import Any

import pytest

from ingest.signatures import ACTIVE_SECRETS, hmac_sha256
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN, KEY, SPIFFY, VERDICTS, recorded, signed, spiffy
from tests.served import Served, request, status

SECTION = "Proof of origin"
BODY = b'{"id": 5, "total_price": "1.00"}'
DIGEST = hmac.digest(KEY, BODY, "sha256")
PROOF = base64.b64encode(DIGEST).decode()
HEADER, OTHER_HEADER = "X-Spiffy-Hmac-Sha256", "X-Spiffy-Stores-Hmac-Sha256"


async def refused(served: Served, sent: bytes) -> None:
    assert status(await served.exchange(sent)) == 401
    assert served.bodies == []


@case(SECTION, "a signature in a header whose name is in any case", 200, "as received")
@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.upper(), "x-sPIFFY-hmac-shA256"])
async def test_the_header_of_a_signature_has_any_case(served: Served, name: str) -> None:
    assert status(await served.exchange(spiffy(BODY, signed(BODY, name=name)))) == 200
    assert served.bodies == [BODY]


@case(SECTION, "a signature in hexadecimal, under the other name of its header", 200, "as received")
@pytest.mark.parametrize("name", [HEADER, OTHER_HEADER])
@pytest.mark.parametrize("proof", [PROOF, DIGEST.hex(), DIGEST.hex().upper()])
async def test_either_encoding_under_either_name_proves(
    served: Served, name: str, proof: str
) -> None:
    assert status(await served.exchange(spiffy(BODY, f"{name}: {proof}"))) == 200
    assert served.bodies == [BODY]


@case(SECTION, "no signature, an empty one, a signature of an empty body", 401)
@pytest.mark.parametrize(
    "header", ["X-Other: 1", f"{HEADER}:", f"{HEADER}:  ", signed(b""), signed(BODY + b" ")]
)
async def test_no_signature_of_this_body_is_refused(served: Served, header: str) -> None:
    await refused(served, spiffy(BODY, header))


@case(SECTION, "a truncated signature, or one with trailing characters", 401)
async def test_a_truncated_signature_is_refused(served: Served) -> None:
    cut = [PROOF[:length] for length in range(len(PROOF))]
    for wrong in [
        *cut,
        PROOF + "=",
        PROOF + "A",
        PROOF * 2,
        base64.b64encode(DIGEST[:16]).decode(),
    ]:
        await refused(served, spiffy(BODY, f"{HEADER}: {wrong}"))


@case(SECTION, "a signature made with another shop's key", 401)
async def test_another_shops_signature_is_refused(served: Served) -> None:
    await refused(served, spiffy(BODY, signed(BODY, b"key-of-janes")))
    await refused(served, spiffy(BODY, signed(BODY), path="/hooks/spiffy/janes"))


@case(SECTION, "the key itself instead of a signature", 401)
async def test_the_key_itself_is_no_signature(served: Served) -> None:
    await refused(served, spiffy(BODY, f"{HEADER}: {KEY.decode()}"))
    await refused(served, spiffy(BODY, path=f"{SPIFFY}/{KEY.decode()}"))


@case(SECTION, "two signatures, right and wrong in any order, or the right one twice", 401)
@pytest.mark.parametrize("wrong", [PROOF, "AAAA", ""])
async def test_repeated_signatures_are_refused(served: Served, wrong: str) -> None:
    for pair in ((PROOF, wrong), (wrong, PROOF)):
        await refused(served, spiffy(BODY, *(f"{HEADER}: {each}" for each in pair)))
    await refused(served, spiffy(BODY, f"{HEADER}: {PROOF}, {wrong}"))
    for pair in ((HEADER, OTHER_HEADER), (OTHER_HEADER, HEADER)):
        proofs = (f"{pair[0]}: {PROOF}", f"{pair[1]}: {wrong}")
        await refused(served, spiffy(BODY, *proofs))


def variants() -> dict[str, str]:
    """The right digest in encodings that are not accepted."""
    return {
        "url-safe": base64.urlsafe_b64encode(DIGEST).decode(),
        "without padding": PROOF.rstrip("="),
        "more padding": PROOF + "==",
        "hex with its scheme": f"0x{DIGEST.hex()}",
        "hex with colons": DIGEST.hex(":"),
        "upper case": PROOF.upper(),
        "base32": base64.b32encode(DIGEST).decode(),
        "quoted": f'"{PROOF}"',
        "with its scheme": f"sha256={PROOF}",
        "percent": PROOF.replace("=", "%3D"),
        "spaces inside": f"{PROOF[:10]} {PROOF[10:]}",
        # the last character holds two spare bits: the same bytes for a lenient decoder
        "spare bits": PROOF[:-2] + chr(ord(PROOF[-2]) + 1) + PROOF[-1],
    }


@case(SECTION, "the right signature as base64url, unpadded, quoted, with spare bits set …", 401)
@pytest.mark.parametrize("name", variants())
async def test_other_spellings_of_a_signature_are_refused(served: Served, name: str) -> None:
    assert variants()[name] != PROOF
    await refused(served, spiffy(BODY, f"{HEADER}: {variants()[name]}"))


@case(SECTION, "a proof in a trailer after the body", 401)
async def test_a_proof_in_a_trailer_is_none(served: Served) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(BODY), BODY, signed(BODY).encode())
    sent = request(chunked, "Transfer-Encoding: chunked", path=SPIFFY, length=-1)
    await refused(served, sent)


@case(
    SECTION,
    "the same signed delivery again, byte for byte",
    200,
    "twice; the second is a duplicate in the processors and changes no table",
)
async def test_a_replayed_delivery_is_a_duplicate(served: Served) -> None:
    sent = spiffy(b'{"token": "a", "id": "a", "line_items": []}', topic="carts/create")
    for _ in range(3):
        assert status(await served.exchange(sent)) == 200
    index = PartitionIndex()
    kinds = []
    for record in recorded(served):
        (verdict,) = VERDICTS.decide([record], index, served.shops.shops)
        kinds.append(verdict.kind)
        for outcome in verdict.outcomes:
            index.add(parse_outcome_headers(outcome.headers))

    assert kinds == ["canonical", "duplicate", "duplicate"]


GUESSES = {
    "right shop, wrong token": "/hooks/gooten/prints/t0ken-of-printz",
    "right shop, cut token": "/hooks/gooten/prints/t0ken-of-print",
    "right shop, longer token": GOOTEN + "x",
    "another shop's token": "/hooks/gooten/prints/t0ken-of-other",
    "no token": "/hooks/gooten/prints",
    "unknown shop": "/hooks/gooten/nobody/t0ken-of-prints",
    "unknown shop, no token": "/hooks/gooten/nobody",
    "another platform's shop": "/hooks/gooten/boots/t0ken-of-boots",
    "signed shop": "/hooks/spiffy/johns/x",
    "shop with a header": "/hooks/shoprocket/rocket",
    "token as a query": "/hooks/gooten/prints?token=t0ken-of-prints",
    "case": "/hooks/gooten/prints/T0KEN-OF-PRINTS",
}


@case(
    SECTION, "guessed tokens and shops", "401, the same bytes for an unknown shop and a wrong token"
)
async def test_every_guess_gets_the_same_bytes(served: Served) -> None:
    answers = {await served.exchange(request(GOOD, path=path)) for path in GUESSES.values()}

    assert len(answers) == 1
    assert status(answers.pop()) == 401
    assert served.bodies == []


@case(SECTION, "timed guesses", "401 after the same number of comparisons, each in constant time")
async def test_every_guess_costs_the_same_comparisons(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    compare, digest = hmac.compare_digest, hmac_sha256

    def comparing(*parts: Any) -> bool:
        seen.append("compare")
        return compare(*parts)

    def digesting(*parts: Any) -> bytes:
        seen.append("digest")
        return digest(*parts)

    monkeypatch.setattr("ingest.signatures.hmac.compare_digest", comparing)
    monkeypatch.setattr("ingest.signatures.hmac_sha256", digesting)
    costs = set()
    for path in GUESSES.values():
        seen.clear()
        assert status(await served.exchange(request(GOOD, path=path))) == 401
        costs.add((seen.count("compare") >= ACTIVE_SECRETS, seen.count("digest")))

    assert costs == {(True, ACTIVE_SECRETS)}
