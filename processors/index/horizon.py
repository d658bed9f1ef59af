"""Whether the outcome logs reach back far enough, and are those of the raw topic."""

from collections.abc import Sequence

from runtime import logs
from runtime.kafka import operator_decisions
from runtime.settings import Settings
from runtime.stage import RefusedError
from schemas.json_records.decisions import AcceptedHorizon, Decision

log = logs.get("hookline.index")


class HorizonError(RefusedError):
    """An outcome log no longer reaches back far enough to recognise repeats."""

    awaits_decision = True

    def __init__(self, topic: str, partition: int, start: int, why: str) -> None:
        super().__init__(
            f"{topic}/{partition} {why}; or accept that repeats of deliveries before then pass,"
            f" with `hookline accept-horizon {partition}`"
        )
        self._log = topic, partition, start

    def is_settled_by(self, decisions: Sequence[Decision]) -> bool:
        """Whether an operator accepted what the log had lost by then."""
        return any(
            isinstance(each, AcceptedHorizon) and each.covers(*self._log) for each in decisions
        )


async def require_accepted(settings: Settings, refusals: Sequence[HorizonError]) -> None:
    """Raise the first refusal that no operator has accepted. Raises KafkaError, OSError."""
    if not refusals:
        return
    decisions = await operator_decisions.read_all(settings)
    for refusal in refusals:
        if not refusal.is_settled_by(decisions):
            raise refusal
        log.warning("an operator accepted that repeats may pass", why=str(refusal))


class ForeignLogError(RefusedError):
    """There are outcomes of raw records that the raw topic does not have."""


def check_horizon(
    topic: str, partition: int, start: int, retention_ms: float, horizon_ms: int, now_ms: int
) -> None:
    """Raise HorizonError if the beginning of a log was deleted within the horizon.

    ``start``: the log's first offset. What retention alone has trimmed is older than the horizon.
    """
    if start > 0 and not retention_ms > now_ms - horizon_ms:
        raise HorizonError(
            topic,
            partition,
            start,
            f"keeps records {retention_ms / 3.6e6:.0f} h, but what is processed now needs"
            f" {(now_ms - horizon_ms) / 3.6e6:.0f} h: repeats could not be recognised; restore"
            " what was trimmed and raise its retention.ms, or start over under a new prefix",
        )
    if start > 0 and retention_ms == float("inf"):
        raise HorizonError(
            topic,
            partition,
            start,
            "no longer starts at 0 though it keeps records for ever: somebody deleted some, so"
            " repeats cannot be recognised; restore the topic, or start over under a new prefix",
        )
