"""A delivery's trace through the real stages, as a collector receives it by OTLP."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runtime.settings import Settings
from schemas.trace_context import TraceContext
from tests import pipeline as pipelines
from tests import senders
from tests.conftest import LiveStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SENDER = TraceContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_sampled=True)
ID = SENDER.trace_id.to_bytes(16, "big")


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Its URL, and the spans that it was sent so far, each with its service's name."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            for of_service in request.resource_spans:
                (service,) = (
                    each.value.string_value
                    for each in of_service.resource.attributes
                    if each.key == "service.name"
                )
                for scope in of_service.scope_spans:
                    spans.extend((service, span) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_senders_trace_is_found_in_each_stage(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    with collector() as (url, spans):
        settings = prepared(replace(stack.settings(), shops_file=str(shops), otlp_endpoint=url))
        with pipelines.running(settings, tmp_path / "logs") as pipeline:
            httpx.post(
                f"{pipeline.url}/hooks/run-free/{senders.SHOP}/{senders.TOKEN}",
                content=senders.NumberedOrder(1, datetime.now(UTC)).body,
                headers={"traceparent": SENDER.header.decode()},
                trust_env=False,
            ).raise_for_status()
            deadline = time.monotonic() + 60
            while True:
                seen = {service: span for service, span in list(spans) if ID in traces_of(span)}
                if len(seen) == 3 or time.monotonic() > deadline:
                    break
                time.sleep(0.2)
    assert set(seen) == {"hookline-ingest", "hookline-processors", "hookline-sinks"}
    received = seen["hookline-ingest"]
    assert received.parent_span_id == SENDER.span_id.to_bytes(8, "big")
    for stage in ("processors", "sinks"):
        (link,) = (each for each in seen[f"hookline-{stage}"].links if each.trace_id == ID)
        assert link.span_id == received.span_id


def traces_of(span: Any) -> set[bytes]:
    """The traces that a span is of or linked to."""
    return {span.trace_id, *(link.trace_id for link in span.links)}
