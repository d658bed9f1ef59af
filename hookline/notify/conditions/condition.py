"""Something that is not as it should be: what each check returns."""

from datetime import datetime
from typing import Literal

import msgspec

Scope = Literal["tables", "pipeline", "silence", "failures", "drift"]
"""What is looked at together: an incident ends only when its scope was looked at again."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it should be.

    ``key`` tells conditions apart; ``page`` is a path of the dashboard. ``after``: seconds that it
    must last before it is reported. ``level``: how bad, where that is a number.
    """

    key: str
    alert: str
    scope: Scope
    severity: Literal["critical", "warning"]
    what: str
    do: str
    page: str
    since: datetime
    shop: str = ""
    after: float = 0.0
    level: int = 0
