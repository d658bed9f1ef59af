"""The workers' metrics: rates on the pipeline's arrows, lag, stopped partitions, visible rows."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT = 1.0
"""Seconds that a worker has to give its page."""
KEPT = 2.0
"""Seconds that an answer is shared."""
SPAN = 60.0
"""Seconds over which a rate is taken, once the dashboard has looked for so long."""
MAX_PAGES = 64

Counts = dict[str, float]
Sample = tuple[str, Mapping[str, str], float]
Fetch = Callable[[str], str | None]

_FLOWS: Mapping[str, tuple[str, str, str]] = {
    "accepted": ("hookline_ingress_accepted_total", "", ""),
    "canonical": ("hookline_verdicts_total", "verdict", "canonical"),
    "duplicate": ("hookline_verdicts_total", "verdict", "duplicate"),
    "dead": ("hookline_verdicts_total", "verdict", "dead-letter"),
    "stored": ("hookline_visible_seconds_count", "", ""),
    "signals": ("hookline_signals_total", "", ""),
}
"""Flow -> its counter, and the label's value where it is a part of that."""
_BUCKET = "hookline_visible_seconds_bucket"
STAGES = {"ingest": "ingress", "process": "processor", "sink": "sink"}


@dataclass(frozen=True, slots=True)
class Look:
    """The counters of all workers at one time, each worker's apart, since each restarts alone."""

    at: float
    counts: Mapping[str, Counts]


class Workers:
    """Reads the pages of the stages. ``pages``: by worker, the URL of its metrics.

    ``fetch`` returns a page's text, None where the worker does not answer.
    """

    def __init__(
        self,
        pages: Mapping[str, str],
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pages = dict(list(pages.items())[:MAX_PAGES])
        self._fetch = fetch or _fetch
        self._clock = clock
        self._looks: deque[Look] = deque()
        self._lock = threading.Lock()
        self._answer: dict[str, Any] | None = None

    def read(self) -> dict[str, Any] | None:
        """Return what the workers report now; None where no page of theirs is known."""
        if not self._pages:
            return None
        with self._lock:
            now = self._clock()
            if self._answer is None or now - self._looks[-1].at >= KEPT:
                self._answer = self._read(now)
            return self._answer

    def _read(self, now: float) -> dict[str, Any]:
        with ThreadPoolExecutor(min(8, len(self._pages))) as asking:
            texts = dict(
                zip(self._pages, asking.map(self._fetch, self._pages.values()), strict=True)
            )
        samples = {
            worker: None if text is None else list(_samples(text)) for worker, text in texts.items()
        }
        look = Look(now, {name: _counts(each) for name, each in samples.items() if each})
        while len(self._looks) > 1 and self._looks[0].at < now - SPAN:
            self._looks.popleft()
        self._looks.append(look)
        every = [(worker, *each) for worker, of in samples.items() for each in of or ()]
        return {
            "workers": [_worker(name, each) for name, each in samples.items()],
            "flows": {name: self._flow(name) for name in _FLOWS},
            "seconds": round(now - self._looks[0].at, 1),
            "lag": _lag(every),
            "stopped": _stopped(every),
            "waiting": [
                {"worker": name, "reason": reason}
                for name, each in samples.items()
                if each is not None and (not _is_ready(each) or _has_stopped(each))
                for reason in self._reasons(name)
            ],
            "visible": _visible(every),
        }

    def _reasons(self, worker: str) -> list[str]:
        """Return what a worker waits for: its sentences end with what to do."""
        text = self._fetch(self._pages[worker].removesuffix("/metrics") + "/readyz")
        try:
            waiting = json.loads(text or "{}").get("waiting", {})
        except ValueError:
            return []
        return [f"{name}: {why}" for name, why in waiting.items()]

    def _flow(self, name: str) -> dict[str, float | None]:
        """Return a flow's total and its rate in records per second."""
        first, last = self._looks[0], self._looks[-1]
        total = sum(counts.get(name, 0.0) for counts in last.counts.values())
        if last.at <= first.at:
            return {"total": total, "rate": None}
        added = 0.0
        for worker, counts in last.counts.items():
            if worker in first.counts:
                before, here = first.counts[worker][name], counts[name]
                added += here - before if here >= before else here  # it was restarted
        return {"total": total, "rate": added / (last.at - first.at)}


def _fetch(url: str) -> str | None:
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
            answer = client.get(url)
            is_page = answer.status_code == httpx.codes.OK or url.endswith("/readyz")
            return answer.text if is_page else None
    except httpx.HTTPError:
        return None


def _samples(text: str) -> Iterable[Sample]:
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            yield each.name, each.labels, each.value


def _counts(samples: Iterable[Sample]) -> Counts:
    counts: Counts = dict.fromkeys(_FLOWS, 0.0)
    for name, labels, value in samples:
        for flow, (family, label, wanted) in _FLOWS.items():
            if name == family and (not label or labels.get(label) == wanted):
                counts[flow] += value
    return counts


def _is_ready(samples: Iterable[Sample]) -> bool:
    return any(name == "hookline_ready" and value == 1 for name, _, value in samples)


def _has_stopped(samples: Iterable[Sample]) -> bool:
    return any(name == "hookline_partitions_stopped" and value for name, _, value in samples)


def _worker(name: str, samples: list[Sample] | None) -> dict[str, Any]:
    stage = STAGES.get(name.partition("-")[0], name)
    if samples is None:
        return {"name": name, "stage": stage, "is_reached": False, "is_ready": False}
    values = {each: value for each, labels, value in samples if not labels}
    partitions = {
        (labels["topic"], labels["partition"])
        for each, labels, _ in samples
        if each == "hookline_lag_records"
    }
    return {
        "name": name,
        "stage": stage,
        "is_reached": True,
        "is_ready": _is_ready(samples),
        "started_at": values.get("process_start_time_seconds"),
        "memory_bytes": values.get("process_resident_memory_bytes"),
        "partitions": len(partitions),
        "topics": len({topic for topic, _ in partitions}),
    }


def _lag(every: Iterable[tuple[str, str, Mapping[str, str], float]]) -> list[dict[str, Any]]:
    """Return the lag of each partition that a worker owns, the longest first."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for worker, name, labels, value in every:
        if name not in ("hookline_lag_records", "hookline_lag_seconds"):
            continue
        key = (labels["stage"], labels["topic"], int(labels["partition"]))
        row = found.setdefault(
            key,
            {"stage": key[0], "topic": key[1], "partition": key[2], "worker": worker,
             "records": 0.0, "seconds": 0.0},
        )  # fmt: skip
        row[name.rpartition("_")[2]] = value
    return sorted(
        found.values(),
        key=lambda row: (-row["records"], row["stage"], row["topic"], row["partition"]),
    )


def _stopped(every: Iterable[tuple[str, str, Mapping[str, str], float]]) -> list[dict[str, Any]]:
    return [
        {"worker": worker, "stage": labels.get("stage", ""), "partitions": int(value)}
        for worker, name, labels, value in every
        if name == "hookline_partitions_stopped" and value > 0
    ]


def _visible(every: Iterable[tuple[str, str, Mapping[str, str], float]]) -> dict[str, Any]:
    """Return the histogram of the seconds from receipt to a visible row, and its quantiles."""
    sums: dict[float, float] = {}
    for _, name, labels, value in every:
        if name == _BUCKET:
            bound = float(labels["le"])
            sums[bound] = sums.get(bound, 0.0) + value
    steps, below = [], 0.0
    for bound in sorted(sums):
        steps.append({"le": bound, "events": sums[bound] - below})
        below = sums[bound]
    while steps and not steps[-1]["events"]:
        steps.pop()
    while steps and not steps[0]["events"]:
        steps.pop(0)
    return {
        "events": below,
        "steps": [{**each, "le": None if each["le"] == float("inf") else each["le"]}
                  for each in steps],
        "p50": _bound_of(steps, below, 0.5),
        "p99": _bound_of(steps, below, 0.99),
    }  # fmt: skip


def _bound_of(steps: list[dict[str, float]], total: float, share: float) -> float | None:
    """Return the least bound below which the share lies; None without events, or beyond all."""
    seen = 0.0
    for each in steps:
        seen += each["events"]
        if seen >= share * total:
            return None if each["le"] == float("inf") else each["le"]
    return None
