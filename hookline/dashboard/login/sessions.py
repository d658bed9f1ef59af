"""Sessions as signed cookies. The key is made at each start, so that a restart ends them all."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "hookline_session"
LENGTH = 8 * 3600.0
"""Seconds that a session lasts."""
_KEY_BYTES, _ID_BYTES = 32, 16
_LONGEST_COOKIE = 2000


@dataclass(frozen=True, slots=True)
class Session:
    """Who logged in, under which id, until when (seconds since 1970)."""

    user: str
    id: str
    until: float


class Sessions:
    """Issues and reads the cookies of sessions, and the tokens of their forms."""

    def __init__(self, key: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        self._key = key or secrets.token_bytes(_KEY_BYTES)
        self._clock = clock
        self._ended: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self, user: str) -> str:
        """Begin a session; return its cookie's value."""
        session = [user, secrets.token_urlsafe(_ID_BYTES), self._clock() + LENGTH]
        payload = base64.urlsafe_b64encode(json.dumps(session).encode()).decode()
        return f"{payload}.{self._signed('session', payload)}"

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None for one that is not ours, too old or ended."""
        payload, _, signature = cookie.partition(".")
        if len(cookie) > _LONGEST_COOKIE or not _is_equal(
            signature, self._signed("session", payload)
        ):
            return None
        try:
            session = Session(*json.loads(base64.urlsafe_b64decode(payload)))
        except (binascii.Error, ValueError, TypeError):  # signed by us: never
            return None
        with self._lock:
            is_ended = session.id in self._ended
        return None if is_ended or session.until <= self._clock() else session

    def end(self, session: Session) -> None:
        """End a session, also for whoever has copied its cookie."""
        now = self._clock()
        with self._lock:
            self._ended = {each: until for each, until in self._ended.items() if until > now}
            self._ended[session.id] = session.until

    def token(self, session_id: str) -> str:
        """Return the token of a session's forms."""
        return self._signed("form", session_id)

    def is_token(self, session_id: str, token: str) -> bool:
        """Whether a form's token is that of the session."""
        return bool(session_id) and _is_equal(token, self.token(session_id))

    def _signed(self, purpose: str, text: str) -> str:
        message = f"{purpose}:{text}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def _is_equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
