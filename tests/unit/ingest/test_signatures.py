import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import signatures
from ingest.secrets import SecretBook
from ingest.signatures import SCHEMES, hmac_base64, hmac_hex, hmac_sha256, is_proved

SECRET = b"shhh"
BODY = b'{"id":"eeafa272cebfd4b22385bc4b645e762c"}'

bodies = st.binary(max_size=300)
secrets = st.binary(min_size=1, max_size=80)


def test_base64_scheme_gives_the_golden_value() -> None:
    """RFC 4231, test case 2, in base64."""
    golden = b"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="

    assert golden == hmac_base64(b"Jefe", b"what do ya want for nothing?")


def test_hex_scheme_gives_the_golden_value() -> None:
    """RFC 4231, test case 2."""
    golden = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

    assert golden == hmac_hex(b"Jefe", b"what do ya want for nothing?")


@given(secret=secrets, body=bodies)
def test_base64_scheme_agrees_with_the_definition(secret: Any, body: Any) -> None:
    expected = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest())

    assert expected == hmac_base64(secret, body)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_secrets_up_to_a_block_and_beyond_agree_with_the_definition(length: int) -> None:
    secret = bytes(range(length))

    assert hmac.digest(secret, BODY, "sha256") == hmac_sha256(secret, BODY)


def test_what_was_made_of_a_secret_is_gone_once_the_shops_are_read_again() -> None:
    hmac_hex(SECRET, BODY)
    assert signatures._keyed.cache_info().currsize
    SecretBook().clear()
    assert not signatures._keyed.cache_info().currsize


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_a_right_proof_is_taken_under_either_active_secret(name: Any) -> None:
    scheme = SCHEMES[name]

    for secret in (b"old", b"new"):
        assert is_proved(scheme, (b"old", b"new"), BODY, scheme(secret, BODY))


@pytest.mark.parametrize("name", sorted(SCHEMES))
@pytest.mark.parametrize("proof", [None, b"", b"x", b"\xff\xfe", SECRET + b" ", b" " + SECRET])
def test_a_missing_or_wrong_proof_is_refused(name: Any, proof: Any) -> None:
    assert not is_proved(SCHEMES[name], (SECRET,), BODY, proof)


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_an_unknown_shop_is_refused_whatever_it_sends(name: Any) -> None:
    assert not is_proved(SCHEMES[name], (), BODY, SCHEMES[name](b"", BODY))


@given(body=st.binary(min_size=1, max_size=300), data=st.data())
def test_any_flipped_bit_of_the_body_fails(body: Any, data: Any) -> None:
    position = data.draw(st.integers(0, len(body) - 1))
    bit = data.draw(st.integers(0, 7))
    tampered = bytearray(body)
    tampered[position] ^= 1 << bit

    for scheme in (hmac_base64, hmac_hex):
        assert not is_proved(scheme, (SECRET,), bytes(tampered), scheme(SECRET, body))


@given(body=bodies, data=st.data(), name=st.sampled_from(sorted(SCHEMES)))
def test_any_flipped_byte_of_the_proof_fails(body: Any, data: Any, name: Any) -> None:
    scheme = SCHEMES[name]
    right = scheme(SECRET, body)
    proof = bytearray(right)
    position = data.draw(st.integers(0, len(proof) - 1))
    proof[position] ^= data.draw(st.integers(1, 255))
    is_same = scheme is hmac_hex and proof.lower() == right  # hexadecimal in any case

    assert is_proved(scheme, (SECRET,), body, bytes(proof)) == is_same


@given(secret=secrets, body=bodies, cases=st.integers(0, 2**64 - 1))
def test_either_encoding_of_a_signature_proves_and_hexadecimal_in_any_case(
    secret: Any, body: Any, cases: int
) -> None:
    in_hex = hmac_hex(secret, body).decode()
    mixed = "".join(
        digit.upper() if cases >> index & 1 else digit for index, digit in enumerate(in_hex)
    )
    for scheme in (hmac_base64, hmac_hex):
        for proof in (hmac_base64(secret, body), in_hex.encode(), mixed.encode()):
            assert is_proved(scheme, (secret,), body, proof)
            assert is_proved(scheme, (b"old" + secret, secret), body, proof)


@pytest.mark.parametrize(
    "proof",
    [
        hmac_hex(SECRET, BODY)[:-1],
        hmac_hex(SECRET, BODY) + b"0",
        b"0x" + hmac_hex(SECRET, BODY)[2:],
        hmac_base64(SECRET, BODY).rstrip(b"="),
        hmac_base64(SECRET, BODY).swapcase(),
        base64.urlsafe_b64encode(hmac_sha256(SECRET, b"another body")),
        hmac_sha256(SECRET, BODY),
        base64.b64encode(hmac_hex(SECRET, BODY)),
        hmac_base64(SECRET, BODY).hex().encode(),
    ],
)
def test_no_other_spelling_of_a_signature_proves(proof: bytes) -> None:
    for scheme in (hmac_base64, hmac_hex):
        assert not is_proved(scheme, (SECRET,), BODY, proof)


@pytest.mark.parametrize("name", ["header", "token"])
def test_a_secret_of_64_characters_keeps_its_case(name: str) -> None:
    secret = b"aB" * 32
    assert is_proved(SCHEMES[name], (secret,), BODY, secret)
    assert not is_proved(SCHEMES[name], (secret,), BODY, secret.lower())


@pytest.mark.parametrize("encode", [hmac_base64, hmac_hex])
def test_a_right_signature_costs_one_hmac(monkeypatch: pytest.MonkeyPatch, encode: Any) -> None:
    counting = CountingHmac()
    proof = encode(SECRET, BODY)
    monkeypatch.setattr(signatures, "hmac_sha256", counting.digest)

    assert is_proved(hmac_base64, (SECRET, b"next"), BODY, proof)
    assert counting.made == 1


class CountingHmac:
    """The hmac module, counting; so are the proofs made."""

    def __init__(self) -> None:
        self.made = 0
        self.compared = 0

    def digest(self, secret: bytes, body: bytes) -> bytes:
        self.made += 1
        return hmac_sha256(secret, body)

    def compare_digest(self, left: bytes, right: bytes) -> bool:
        self.compared += 1
        return hmac.compare_digest(left, right)


@pytest.mark.parametrize("name", sorted(SCHEMES))
@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("proof", [None, b"wrong", b"0" * 64, b"A" * 43 + b"="])
def test_every_refusal_does_the_same_work(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int, proof: bytes | None
) -> None:
    """Two signatures made, whatever the scheme and however many secrets there are."""
    counting = CountingHmac()
    monkeypatch.setattr(signatures, "hmac", counting)
    monkeypatch.setattr(signatures, "hmac_sha256", counting.digest)

    assert not is_proved(SCHEMES[name], (b"a", b"b", b"c")[:count], BODY, proof)
    assert (counting.made, counting.compared) == (2, 2 if name.startswith("hmac") else 4)


def test_a_third_secret_is_never_looked_at() -> None:
    assert not is_proved(SCHEMES["token"], (b"a", b"b", b"c"), BODY, b"c")
