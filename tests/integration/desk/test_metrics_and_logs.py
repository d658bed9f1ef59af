"""What an operator's tools read of real stages: logs that parse, metrics of what is there now."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGHUP
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.settings import Settings
from schemas.topics import ORDERS
from tests import pipeline as pipelines
from tests import senders
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, Shape

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PATIENCE = 60.0
EVERY_PARTITION = {"0", "1", "2", "3"}


def parsed(log: bytes) -> list[dict[str, Any]]:
    """The lines of a log; ValueError with the line that is no JSON object."""
    found = []
    for line in log.splitlines():
        try:
            found.append(dict(json.loads(line)))
        except ValueError as error:
            raise ValueError(f"not JSON: {line!r}") from error
    return found


def values(pipeline: Pipeline, name: str, sample_name: str) -> dict[tuple[str, ...], float]:
    """The samples of this name on a process's page, by the values of their sorted labels."""
    url, deadline = f"http://127.0.0.1:{pipeline.ports[name]}/metrics", time.monotonic() + PATIENCE
    while True:
        try:
            text = httpx.get(url, trust_env=False).text
        except httpx.TransportError:  # it is starting
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            break
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == sample_name
    }


def within(check: Callable[[], bool]) -> bool:
    """Whether it becomes true before our patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def post(pipeline: Pipeline, count: int) -> None:
    url = f"{pipeline.url}/hooks/run-free/{senders.SHOP}/{senders.TOKEN}"
    for number in range(count):
        body = senders.NumberedOrder(number, datetime.now(UTC)).body
        httpx.post(url, content=body, trust_env=False).raise_for_status()


def test_logs_are_json_throughout_and_metrics_show_what_a_process_has_now(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = prepared(replace(stack.settings(), shops_file=str(shops), log_format="json"))
    with pipelines.prepared(settings, tmp_path / "logs", Shape()) as pipeline:
        pipeline.start()
        ingest, first, sink = (pipeline.names(stage)[0] for stage in pipelines.STAGES)

        def owned(name: str) -> set[str]:
            return {number for number, *_ in values(pipeline, name, "hookline_lag_records")}

        def entries(*names: str) -> list[float]:
            return [values(pipeline, name, "hookline_index_entries")[()] for name in names]

        post(pipeline, 40)
        assert within(lambda: owned(first) == EVERY_PARTITION)
        assert within(lambda: entries(first) == [40])
        for name, stage in ((first, "processors"), (sink, "sinks")):
            assert within(lambda name=name: values(pipeline, name, "hookline_batch_seconds_sum"))
            assert set(values(pipeline, name, "hookline_batch_records_sum")) == {(stage,)}
        orders = (settings.topic(ORDERS),)
        visible = "hookline_visible_seconds"
        assert within(lambda: values(pipeline, sink, f"{visible}_count").get(orders) == 40)
        assert 0 < values(pipeline, sink, f"{visible}_sum")[orders] < 40 * PATIENCE
        second = pipeline.join("process")
        assert within(
            lambda: (
                bool(owned(first) and owned(second))
                and not owned(first) & owned(second)
                and owned(first) | owned(second) == EVERY_PARTITION
            )
        )
        pipeline.wait_ready(PATIENCE)
        assert within(lambda: sum(entries(first, second)) == 40)
        assert min(entries(first, second)) > 0
        for family in ("hookline_watermark_timestamp_seconds", "hookline_lag_records"):
            assert values(pipeline, ingest, family) == {}
        for name in pipeline.names():
            assert list(values(pipeline, name, "hookline_build_info").values()) == [1.0]
        pipeline.signal(ingest, SIGHUP)
        pipeline.kill(second)
        stack.kill(stack.postgres)
        stack.kill(stack.kafka)
        time.sleep(3)
        stack.recover()
        pipeline.wait_ready(PATIENCE)
        names = pipeline.names()
    for name in names:
        lines = parsed((tmp_path / "logs" / f"{name}.log").read_bytes())
        assert lines
        quiet = {"warning", "error", "critical"}
        theirs = [line for line in lines if not line["logger"].startswith("hookline")]
        assert [line for line in theirs if line["level"] not in quiet] == []
        assert [line for line in theirs if line["logger"].startswith(("faust", "mode"))] == []
