"""What a check of ``hookline doctor`` found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``level``: ``ok``, ``note`` (worth knowing) or ``wrong``.

    The message of what is wrong also advises what to do.
    """

    subject: str
    level: str
    message: str
