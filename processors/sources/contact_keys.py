"""The contact key while it changes: addresses are hashed with the new one, and with both noted."""

from typing import Self


class ChangedKey(bytes):
    """A contact key that replaces ``before``; ``hashed`` maps hashes by that one to ours."""

    before: bytes
    hashed: dict[str, str]

    @classmethod
    def of(cls, key: bytes, before: bytes) -> Self:
        """Return the key ``key``, which replaces ``before``."""
        made = cls(key)
        made.before, made.hashed = before, {}
        return made

    def take_hashed(self) -> dict[str, str]:
        """Return the hashes of all addresses since the last call: by the key before -> by ours."""
        taken, self.hashed = self.hashed, {}
        return taken
