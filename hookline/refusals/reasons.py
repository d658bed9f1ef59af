"""The reasons of dead letters in sentences, each with what mends it."""

from collections.abc import Mapping

from schemas.envelopes import Reason

EXPLANATIONS: Mapping[str, tuple[str, str]] = {
    Reason.MALFORMED_BODY: (
        "The body cannot be read: it is no JSON or XML, or was cut off.",
        "A proxy or the platform sent it broken. Have the platform send it again, then discard it.",
    ),
    Reason.UNSUPPORTED_FORMAT: (
        "The body is in a format or an encoding that is not read.",
        "Choose JSON, or the format that the shop's page names, at the platform.",
    ),
    Reason.UNKNOWN_EVENT: (
        "The platform's event is none that becomes rows.",
        "Unsubscribe from it at the platform and discard the letters, or update Hookline.",
    ),
    Reason.INVALID_PAYLOAD: (
        "A field lacks, or holds what it cannot hold.",
        "Replay after an update that reads it; the dry run shows whether this version does.",
    ),
    Reason.OUT_OF_RANGE: (
        "A value is too large, too precise or of no real time.",
        "Have it corrected at the platform; discard it if it was a mistake there.",
    ),
    Reason.TOO_LARGE: (
        "The body is larger than what is read.",
        "Have the platform send less in one delivery, then discard it.",
    ),
    Reason.KILLED_WORKER: (
        "Processors died each time that they built this delivery.",
        "Look at the kernel's log for an out-of-memory kill; replay it after an update.",
    ),
    Reason.FOREIGN_RECORD: (
        "It is no delivery: another producer wrote it to the raw topic.",
        "Find that producer and take its right to write; discard the letter.",
    ),
    Reason.UNKNOWN_SHOP: (
        "The processors' shops file does not have the shop.",
        "Add the shop to the file of the processors, then replay the letters.",
    ),
    Reason.TOPIC_REPLAY: (
        "The same body came before, of another event, and the shop takes no such repeats.",
        "Discard it; `strict_topics` in the shops file decides whether such repeats are refused.",
    ),
    Reason.INTERNAL_ERROR: (
        "An adapter failed: that is a fault of Hookline.",
        "Report it with the traceback of `hookline dead show`; replay it after an update.",
    ),
}
"""Reason -> what it means, what mends it."""


def explained(reason: str) -> tuple[str, str]:
    """Return what a reason means and what mends it; of one of another version that it is new."""
    unknown = ("A reason that this version does not know.", "Update the dashboard.")
    return EXPLANATIONS.get(reason, unknown)
