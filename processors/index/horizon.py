"""Whether the outcome logs reach back far enough, and are those of the raw topic."""

from runtime.stage import RefusedError


class HorizonError(RefusedError):
    """An outcome log no longer reaches back far enough to recognise repeats."""


class ForeignLogError(RefusedError):
    """There are outcomes of raw records that the raw topic does not have."""


def check_horizon(name: str, start: int, retention_ms: float, horizon_ms: int, now_ms: int) -> None:
    """Raise HorizonError if the beginning of a log was deleted within the horizon.

    ``start``: the log's first offset. What retention alone has trimmed is older than the horizon.
    """
    if start > 0 and not retention_ms > now_ms - horizon_ms:
        raise HorizonError(
            f"{name} keeps records {retention_ms / 3.6e6:.0f} h, but what is processed now needs"
            f" {(now_ms - horizon_ms) / 3.6e6:.0f} h: repeats could not be recognised; restore"
            " what was trimmed and raise its retention.ms, or start over under a new prefix"
        )
    if start > 0 and retention_ms == float("inf"):
        raise HorizonError(
            f"{name} no longer starts at 0 though it keeps records for ever: somebody deleted"
            " some, so repeats cannot be recognised; restore the topic, or start over under"
            " a new prefix"
        )
