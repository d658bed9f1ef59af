"""The pages of several workers as one: /metrics has counters as sums, gauges by worker.

A worker that was restarted counts from 0 again. What its predecessor had counted at the last look
stays in the sums: Prometheus would take a sum that falls for a reset of them all.
"""

import http.client
import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from runtime.metrics_page import CONTENT_TYPE

TIMEOUT = 2.0
"""Seconds that a worker has to give its page."""
_SUMMED = ("counter", "histogram")
_STARTED = "process_start_time_seconds"
_READY = "hookline_ready"

Labels = tuple[tuple[str, str], ...]
Counts = dict[tuple[str, str, Labels], float]
"""Values by family, name of the sample and labels."""


class Totals(Collector):
    """The sums and gauges of all workers, as of the newest page of each."""

    def __init__(self, workers: Iterable[str]) -> None:
        self._gauges: dict[str, list[Metric]] = {worker: [] for worker in workers}
        self._counts: dict[str, Counts] = {worker: {} for worker in self._gauges}
        self._of_predecessors: Counts = {}
        self._started: dict[str, float] = {}
        self._kinds: dict[str, tuple[str, str]] = {}

    def update(self, worker: str, page: str | None) -> None:
        """Take the newest page of a worker; None where it does not answer: its counts stay."""
        families = [] if page is None else list(text_string_to_metric_families(page))
        self._gauges[worker] = [family for family in families if family.type not in _SUMMED]
        if not families:
            return
        self._kinds |= {family.name: (family.documentation, family.type) for family in families}
        started = next(s.value for f in families for s in f.samples if s.name == _STARTED)
        if started != self._started.setdefault(worker, started):
            _add(self._of_predecessors, self._counts[worker])
        self._started[worker] = started
        self._counts[worker] = {
            (family.name, sample.name, tuple(sample.labels.items())): sample.value
            for family in families
            if family.type in _SUMMED
            for sample in family.samples
        }

    def collect(self) -> Iterator[Metric]:
        """Yield each family once."""
        families = {name: Metric(name, *kind) for name, kind in self._kinds.items()}
        sums: Counts = {}
        for counts in (*self._counts.values(), self._of_predecessors):
            _add(sums, counts)
        for (name, sample_name, labels), value in sums.items():
            families[name].add_sample(sample_name, dict(labels), value)
        for worker, gauges in self._gauges.items():
            for gauge in gauges:
                for sample in gauge.samples:
                    labels_of = {**sample.labels, "worker": worker}
                    families[gauge.name].add_sample(sample.name, labels_of, sample.value)
            if not gauges and _READY in families:
                families[_READY].add_sample(_READY, {"worker": worker}, 0)
        yield from families.values()


def _add(sums: Counts, counts: Counts) -> None:
    for series, value in counts.items():
        sums[series] = sums.get(series, 0.0) + value


class WorkerPages:
    """Serves /metrics, /readyz and /healthz of all workers on ``host``:``port``, while entered.

    ``ports``: by worker, where it serves its own pages on ``host``. ``port`` 0: any free one.
    Raises OSError, when entered, where the port is taken.
    """

    def __init__(self, host: str, port: int, ports: Mapping[str, int]) -> None:
        self._host, self._port, self._ports = host, port, ports
        self._totals = Totals(ports)
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        pages = self

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT

            def do_GET(self) -> None:
                """Answer with a page, or 404."""
                status, kind, text = pages.page(self.path)
                self.send_response_only(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in pages._host else socket.AF_INET

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Do nothing: whoever asked has gone."""

        self._server = Server((self._host, self._port), Handler)
        self._asking = ThreadPoolExecutor(len(self._ports), thread_name_prefix="pages")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._asking.shutdown(wait=False, cancel_futures=True)

    @property
    def port(self) -> int:
        """The port of the pages, once entered."""
        return int(self._server.server_address[1])

    def page(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and text of a page."""
        if path == "/metrics":
            return 200, CONTENT_TYPE, self._metrics()
        if path == "/readyz":
            waiting = self._waiting()
            text = json.dumps({"ready": not waiting, "waiting": waiting, "warnings": {}})
            return 503 if waiting else 200, "application/json", text.encode()
        if path == "/healthz":
            return 200, "application/json", b'{"alive":true}'
        return 404, "text/plain", b"Not Found"

    def _metrics(self) -> bytes:
        with self._one_at_a_time:
            for worker, answer in self._answers("/metrics"):
                is_page = answer is not None and answer[0] == http.client.OK
                self._totals.update(worker, answer[1] if answer and is_page else None)
            return generate_latest(self._totals)

    def _waiting(self) -> dict[str, str]:
        """What each worker waits for that is not ready."""
        return {
            f"worker {worker}": "does not answer" if answer is None else answer[1]
            for worker, answer in self._answers("/readyz")
            if answer is None or answer[0] != http.client.OK
        }

    def _answers(self, path: str) -> Iterator[tuple[str, tuple[int, str] | None]]:
        asked = self._asking.map(lambda port: self._ask(port, path), self._ports.values())
        return zip(self._ports, asked, strict=True)

    def _ask(self, port: int, path: str) -> tuple[int, str] | None:
        connection = http.client.HTTPConnection(self._host, port, timeout=TIMEOUT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
