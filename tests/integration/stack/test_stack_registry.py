"""Schemas in a real registry, without it, and in one that lies."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from runtime.health import Health
from runtime.registry import schema_ids
from runtime.registry.client import RegistryClient, RegistryError, SchemaMissingError
from schemas import codec
from schemas.topics import BY_RECORD, CARTS
from tests.conftest import LiveStack

pytestmark = pytest.mark.stack


async def test_every_record_is_registered_and_found_again(stack: LiveStack) -> None:
    settings = stack.settings()
    ids = await schema_ids.register(settings)
    assert set(ids.current) == set(BY_RECORD)
    assert await schema_ids.register(settings) == ids
    loaded = await schema_ids.load_codec(settings)
    assert loaded.ids == ids.current


async def test_the_registry_itself_refuses_a_schema_that_breaks_readers(stack: LiveStack) -> None:
    settings = stack.settings()
    await schema_ids.register(settings)
    subject = CARTS.subject(settings.prefix)
    changed = codec.schema("carts")
    fields = [field for field in changed["fields"] if field["name"] != "cart_id"]
    broken = {**changed, "fields": fields}
    async with RegistryClient(settings) as client:
        assert "FULL_TRANSITIVE" in (await client._request("GET", f"/config/{subject}")).values()
        with pytest.raises(RegistryError, match="refuses POST"):
            await client.register(subject, json.dumps(broken))


async def test_a_stage_whose_schemas_are_not_registered_is_told_what_to_run(
    stack: LiveStack,
) -> None:
    with pytest.raises(SchemaMissingError, match="run `hookline topics create`"):
        await schema_ids.load_codec(stack.settings())


async def test_a_stage_that_knows_the_ids_starts_without_the_registry(
    stack: LiveStack, tmp_path: Path
) -> None:
    settings = stack.settings(state_dir=str(tmp_path))
    await schema_ids.register(settings)
    expected = (await schema_ids.load_codec(settings)).ids
    await asyncio.to_thread(stack.kill, stack.registry)
    assert (await schema_ids.load_codec(settings)).ids == expected


async def test_a_registry_that_lost_its_data_is_not_written_to_unnoticed(
    stack: LiveStack, tmp_path: Path
) -> None:
    settings = stack.settings(state_dir=str(tmp_path))
    await schema_ids.register(settings)
    known = tmp_path / f"registry-{settings.prefix}.json"
    kept = json.loads(known.read_text())
    kept["current"]["carts"] += 1000
    known.write_text(json.dumps(kept))
    with pytest.raises(RegistryError, match="lost its data"):
        await schema_ids.register(settings)


async def test_ids_of_another_registry_or_prefix_are_not_used(
    stack: LiveStack, tmp_path: Path
) -> None:
    settings = stack.settings(state_dir=str(tmp_path))
    await schema_ids.register(settings)
    await asyncio.to_thread(stack.kill, stack.registry)
    elsewhere = replace(settings, registry_url=settings.registry_url.replace("127.0.0.1", "[::1]"))
    for stranger in (elsewhere, replace(settings, prefix="other_")):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(schema_ids.load_codec(stranger), 1.0)


async def test_a_stage_that_knows_nothing_waits_for_the_registry_and_says_so(
    stack: LiveStack, tmp_path: Path
) -> None:
    settings = stack.settings(state_dir=str(tmp_path / "registering"))
    ids = await schema_ids.register(settings)
    await asyncio.to_thread(stack.registry.stop)
    health = Health()
    fresh = replace(settings, state_dir=str(tmp_path / "fresh"))
    loading = asyncio.create_task(schema_ids.load_codec(fresh, health))
    while health.is_ready:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.05)
    assert "no registry answers" in health.unmet["registry"]
    await asyncio.to_thread(stack.registry.start)
    assert (await loading).ids == ids.current
    assert health.is_ready


@contextmanager
def lying_registry(schema: dict[str, Any], status: int = 200) -> Iterator[str]:
    """A registry that calls every schema 1 and gives ``schema`` for it."""

    class Answers(BaseHTTPRequestHandler):
        def _answer(self, content: dict[str, Any]) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self._answer({"id": 1})

        def do_GET(self) -> None:
            self._answer({"schema": json.dumps(schema)})

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_an_id_that_stands_for_another_schema_is_refused(
    stack: LiveStack, tmp_path: Path
) -> None:
    """Even where only a scale differs, which a fingerprint would not see."""
    text = codec.schema_text("carts").replace('"scale":4', '"scale":2')
    with lying_registry(json.loads(text)) as url:
        settings = stack.settings(registry_url=url, state_dir=str(tmp_path))
        with pytest.raises(RegistryError, match="is not our schema of carts"):
            await schema_ids.load_codec(settings)


async def test_a_registry_that_refuses_us_is_not_waited_for(
    stack: LiveStack, tmp_path: Path
) -> None:
    with lying_registry({}, status=401) as url:
        settings = stack.settings(registry_url=url, state_dir=str(tmp_path))
        with pytest.raises(RegistryError, match="HOOKLINE_REGISTRY_PASSWORD"):
            await schema_ids.load_codec(settings)
