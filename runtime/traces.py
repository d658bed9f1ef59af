"""Spans of what a stage does, sent by OTLP: one for each delivery received and for each batch.

A batch holds deliveries of many traces, so its span is linked to them and not a child of one.
Off unless ``HOOKLINE_OTLP_ENDPOINT`` is set; then sampling, queue and TLS follow the variables
``OTEL_*`` of the SDK. A collector that is away costs spans, never a delivery.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

from runtime import logs
from runtime.settings import Settings, SettingsError
from schemas import trace_context
from schemas.trace_context import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext

    from runtime.stage import Batch

MAX_LINKS = 128
"""Links that a span keeps, as the SDK's limit is."""
FLUSH = 5.0
"""Seconds that a stage waits at its end for the collector to take the last spans."""
log = logs.get("hookline.traces")


class Received:
    """The span of a delivery that is being received. ``header``: what its raw record passes on."""

    def __init__(self, span: "Span") -> None:
        context = span.get_span_context()
        self._span = span
        self.header = TraceContext(
            context.trace_id, context.span_id, context.trace_flags.sampled
        ).header

    def end(self, error: str | None = None, **attributes: str | int) -> None:
        """End the span; ``error``: why the delivery was not acknowledged."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only where spans are

        for name, value in attributes.items():
            self._span.set_attribute(f"hookline.{name}", value)
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class Traces:
    """The spans of one stage, handed to ``exporter`` from a thread of the SDK."""

    def __init__(self, stage: str, exporter: "SpanExporter") -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        self._api = trace
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: f"hookline-{stage}"}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("hookline")

    def received(self, traceparent: bytes | None) -> Received:
        """Begin the span of a delivery, in its sender's trace where it names one."""
        sender = trace_context.parse(traceparent)
        parent = self._api.NonRecordingSpan(
            self._api.INVALID_SPAN_CONTEXT if sender is None else self._context(sender)
        )
        return Received(
            self._tracer.start_span(
                "receive",
                self._api.set_span_in_context(parent),
                kind=self._api.SpanKind.PRODUCER,
            )
        )

    @contextmanager
    def batch(
        self, name: str, batches: Sequence["Batch"], deliveries: Iterable[bytes | None]
    ) -> Iterator[None]:
        """Record the block as a span linked to the deliveries, given by their ``traceparent``."""
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.batch.message_count": sum(len(batch.records) for batch in batches),
        }
        if len(batches) == 1:
            partition = batches[0].partition
            attributes["messaging.destination.name"] = partition.topic
            attributes["messaging.destination.partition.id"] = str(partition.number)
        started = time.time_ns()
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            self._record(name, started, deliveries, attributes, failure)

    def _record(
        self,
        name: str,
        started: int,
        deliveries: Iterable[bytes | None],
        attributes: Mapping[str, str | int],
        failure: BaseException | None,
    ) -> None:
        found = filter(None, map(trace_context.parse, deliveries))
        traced = dict.fromkeys(each for each in found if each.is_sampled)
        links = [self._api.Link(self._context(each)) for each in list(traced)[:MAX_LINKS]]
        span = self._tracer.start_span(
            name,
            kind=self._api.SpanKind.CONSUMER,
            links=links,
            start_time=started,
            attributes={**attributes, "hookline.traced_deliveries": len(traced)},
        )
        if failure is not None:
            kind = type(failure).__name__  # its text may quote what a sender wrote
            span.set_status(self._api.Status(self._api.StatusCode.ERROR, kind))
        span.end()

    async def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._provider.shutdown), FLUSH)
        except TimeoutError:
            log.warning("the collector of traces does not take the last spans")

    def _context(self, each: TraceContext) -> "SpanContext":
        flags = self._api.TraceFlags(int(each.is_sampled))
        return self._api.SpanContext(each.trace_id, each.span_id, is_remote=True, trace_flags=flags)


def spanning(
    traces: Traces | None,
    name: str,
    batches: Sequence["Batch"],
    deliveries: Iterable[bytes | None],
) -> AbstractContextManager[None]:
    """Record a block as a span of its batches, where traces are on."""
    return nullcontext() if traces is None else traces.batch(name, batches, deliveries)


def traces_of(settings: Settings, stage: str, opened: AsyncExitStack) -> Traces | None:
    """Return the stage's traces, which ``opened`` closes; None where they are off.

    Raises SettingsError where the packages for them are not installed.
    """
    if not settings.otlp_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            "HOOKLINE_OTLP_ENDPOINT is set, but the packages for traces are not installed: "
            "`pip install 'hookline[traces]'`, or unset it"
        ) from error
    traces = Traces(stage, OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"))
    opened.push_async_callback(traces.close)
    return traces
