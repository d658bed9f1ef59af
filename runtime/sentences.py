"""Errors whose message is written for an operator, unlike those of a bug."""

_OUR_PACKAGES = frozenset({"schemas", "runtime", "ingest", "processors", "sinks", "hookline"})
"""Exceptions of these packages carry a message for the user."""


def sentence(error: BaseException) -> str | None:
    """Return the message of an error of ours; None for any other, which needs its traceback."""
    is_ours = type(error).__module__.partition(".")[0] in _OUR_PACKAGES
    return str(error) if is_ours else None
