"""The hash of the dashboard's password: scrypt (RFC 7914), as one text for a setting.

``scrypt:N:r:p:SALT:KEY``; salt and key are base64 for URLs without padding, so that no shell and
no compose file needs quotes.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from runtime.settings import SettingsError

NAME = "HOOKLINE_DASHBOARD_PASSWORD_HASH"
HOW_TO_SET = (
    f"start it again with `export {NAME}=$(hookline dashboard --hash-password); hookline up`, which"
    " asks for a password of your choice"
)
"""What sets a login, for messages and pages."""
N, R, P = 1 << 15, 8, 3
"""Cost: 32 MiB, a third of a second of one core."""
SALT_BYTES, KEY_BYTES = 16, 32
SHORTEST = 12
"""Characters of a password."""
_FORM = re.compile(r"scrypt:(\d{1,7}):(\d{1,2}):(\d{1,2}):([\w-]{16,88}):([\w-]{22,88})", re.ASCII)
_MAX_MEMORY = 256 << 20


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A hash and what it was made with."""

    n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    def matches(self, password: str) -> bool:
        """Whether a password is the one; as long for a wrong one as for the right."""
        return hmac.compare_digest(self._derived(password), self.key)

    def _derived(self, password: str) -> bytes:
        return hashlib.scrypt(
            password.encode(),
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            maxmem=_MAX_MEMORY,
            dklen=len(self.key),
        )

    def __str__(self) -> str:
        return f"scrypt:{self.n}:{self.r}:{self.p}:{_encoded(self.salt)}:{_encoded(self.key)}"


def parse(text: str) -> PasswordHash:
    """Read the form of the setting. Raises SettingsError for another one."""
    wrong = SettingsError(f"{NAME} is no hash: `hookline dashboard --hash-password` prints one")
    if (found := _FORM.fullmatch(text)) is None:
        raise wrong
    n, r, p = (int(found[number]) for number in (1, 2, 3))
    is_power = n > 1 and n & (n - 1) == 0
    if not is_power or not r or not p or 128 * r * (n + p + 2) >= _MAX_MEMORY:
        raise wrong
    try:
        salt, key = _decoded(found[4]), _decoded(found[5])
    except binascii.Error:
        raise wrong from None
    return PasswordHash(n, r, p, salt, key)


def hashed(password: str) -> str:
    """Return the hash of a password, with a new salt. Raises SettingsError for a short one."""
    if len(password) < SHORTEST:
        raise SettingsError(f"a password of {SHORTEST} characters at least: who guesses it writes")
    salt = secrets.token_bytes(SALT_BYTES)
    key = hashlib.scrypt(
        password.encode(), salt=salt, n=N, r=R, p=P, maxmem=_MAX_MEMORY, dklen=KEY_BYTES
    )
    return str(PasswordHash(N, R, P, salt, key))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
