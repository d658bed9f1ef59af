"""The schema registry: register on request, look up at start, never depend on it while running.

Any registry with the Confluent HTTP API will do; ``registry_url`` is that API's base.
"""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from runtime.health import Health
from runtime.settings import Settings
from schemas import codec, compatibility
from schemas.topics import BY_RECORD

COMPATIBILITY = "FULL_TRANSITIVE"
_TIMEOUT = 5.0
_LONGEST_PAUSE = 15.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class RegistryError(RuntimeError):
    """The registry, or a schema of ours, cannot be used; the message says what to do."""


class RegistryAwayError(RegistryError):
    """The registry does not answer, or not now: the same call may go through later."""


class SchemaMissingError(RegistryError):
    """The registry does not know a schema or a subject."""


class RegistryClient:
    """The few calls that we make. Use as an async context manager.

    Raises RegistryAwayError where waiting helps, SchemaMissingError for what is not there,
    RegistryError for a refusal.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.registry_url.rstrip("/")
        host = urlsplit(self._url)
        auth = None
        if settings.registry_username is not None:
            auth = (settings.registry_username, settings.registry_password or "")
        secure = host.scheme == "https"
        self._http = httpx.AsyncClient(
            auth=auth,
            timeout=_TIMEOUT,
            # A proxy of the environment is for hosts elsewhere.
            trust_env=host.hostname not in _LOOPBACK,
            verify=ssl.create_default_context(cafile=settings.ssl_cafile) if secure else True,
            headers={"Accept": "application/vnd.schemaregistry.v1+json, application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = await self._http.request(method, f"{self._url}{path}", json=body)
        except httpx.TransportError as error:
            raise RegistryAwayError(
                f"no registry answers at {self._url} ({type(error).__name__}): "
                "is it running, is HOOKLINE_REGISTRY_URL right?"
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise SchemaMissingError(f"the registry has no {path}")
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise RegistryError(
                f"the registry refuses us ({answer.status_code}): check "
                "HOOKLINE_REGISTRY_USERNAME and HOOKLINE_REGISTRY_PASSWORD"
            )
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise RegistryAwayError(f"the registry answers {answer.status_code} to {path}")
        if not answer.is_success:
            raise RegistryError(
                f"the registry refuses {method} {path} ({answer.status_code}): {answer.text[:500]}"
            )
        try:
            return answer.json() if answer.content else None
        except json.JSONDecodeError as error:
            raise RegistryError(
                f"{self._url} does not speak the Confluent API: set HOOKLINE_REGISTRY_URL to its "
                "base (Apicurio: http://host:port/apis/ccompat/v7)"
            ) from error

    async def register(self, subject: str, text: str) -> int:
        """The id of a schema under a subject, registered if it was not."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = await self._ask("POST", path, {"schema": text, "schemaType": "AVRO"})
        return int(answer["id"])

    async def look_up(self, subject: str, text: str) -> int:
        """The id of a schema that stands under a subject."""
        path = f"/subjects/{quote(subject, safe='')}"
        answer = await self._ask("POST", path, {"schema": text, "schemaType": "AVRO"})
        return int(answer["id"])

    async def schema(self, schema_id: int) -> Any:
        """The schema with an id, parsed."""
        answer = await self._ask("GET", f"/schemas/ids/{schema_id}")
        return json.loads(answer["schema"])

    async def require(self, subject: str, compatibility_level: str) -> None:
        """Have the registry check new versions of a subject."""
        path = f"/config/{quote(subject, safe='')}"
        await self._ask("PUT", path, {"compatibility": compatibility_level})

    async def compatibility(self, subject: str) -> str:
        """The level that the registry checks new versions of a subject with."""
        answer = await self._ask("GET", f"/config/{quote(subject, safe='')}")
        return str(answer.get("compatibilityLevel") or answer.get("compatibility"))


@dataclass(frozen=True, slots=True)
class Ids:
    """What the registry calls our schemas: current ones by record, older ones by version."""

    current: dict[str, int]
    older: dict[str, dict[int, int]]

    def codec(self) -> codec.Codec:
        """A codec that writes the current versions and reads all of them."""
        past = {
            self.older[name][number]: (name, schema)
            for name in self.older
            for number, schema in codec.history(name)
            if number in self.older[name]
        }
        return codec.Codec(self.current, past)


def check_history() -> None:
    """Raise RegistryError unless the schemas are committed and FULL_TRANSITIVE."""
    for name in BY_RECORD:
        committed = list(codec.history(name))
        current = codec.schema(name)
        if not committed or committed[-1][1] != current:
            number = committed[-1][0] + 1 if committed else 1
            raise RegistryError(
                f"the schema of {name} is not its newest committed version: write it to "
                f"schemas/avro/history/{name}/{number}.avsc, or take the change back"
            )
        reasons = compatibility.breaks(current, (schema for _, schema in committed))
        if reasons:
            raise RegistryError(
                f"the schema of {name} breaks readers or writers of earlier versions: "
                + "; ".join(reasons)
            )


async def register(settings: Settings) -> Ids:
    """Register every record's schema and have the registry check its subject from then on."""
    check_history()
    current = {}
    async with RegistryClient(settings) as client:
        for name, topic in BY_RECORD.items():
            subject = topic.subject(settings.prefix)
            is_new = False
            try:
                await client.require(subject, COMPATIBILITY)
            except SchemaMissingError:  # some registries know no subject without a version
                is_new = True
            current[name] = await client.register(subject, codec.schema_text(name))
            if is_new:
                await client.require(subject, COMPATIBILITY)
        ids = Ids(current, await _older(client, settings))
        await _verify(client, ids)
    kept = _read(settings)
    if kept is not None and kept.current != ids.current:
        raise RegistryError(
            "the registry gives our schemas other ids than it did: it lost its data, and records"
            " in the log carry the old ids. Restore the registry; or, if every canonical topic is"
            f" empty, delete {_path(settings)} and try again"
        )
    _write(settings, ids)
    return ids


async def load_codec(settings: Settings, health: Health | None = None) -> codec.Codec:
    """A codec with the registry's ids, from disk where the registry does not answer.

    Where neither knows them it waits, saying so on ``health``. Raises RegistryError for a
    schema that is not registered, or an id that stands for another schema than ours.
    """
    pause = 0.5
    while True:
        try:
            ids = await look_up(settings)
            _write(settings, ids)
            break
        except RegistryAwayError as error:
            kept = _read(settings)
            if kept is not None:
                ids = kept
                break
            if health is not None:
                health.waiting("registry", str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    if health is not None:
        health.met("registry")
    return ids.codec()


async def look_up(settings: Settings) -> Ids:
    """What the registry has now. Raises RegistryError, also where it does not answer."""
    async with RegistryClient(settings) as client:
        ids = await _look_up(client, settings)
        await _verify(client, ids)
    return ids


async def _look_up(client: RegistryClient, settings: Settings) -> Ids:
    current = {}
    for name, topic in BY_RECORD.items():
        subject = topic.subject(settings.prefix)
        try:
            current[name] = await client.look_up(subject, codec.schema_text(name))
        except SchemaMissingError as error:
            raise SchemaMissingError(
                f"our schema of {name} is not registered under {subject}: "
                "run `hookline topics create`"
            ) from error
    return Ids(current, await _older(client, settings))


async def _older(client: RegistryClient, settings: Settings) -> dict[str, dict[int, int]]:
    """Ids of the versions before the current one; one that never was registered has none."""
    older: dict[str, dict[int, int]] = {}
    for name, number, schema in _past():
        text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        try:
            found = await client.look_up(BY_RECORD[name].subject(settings.prefix), text)
        except SchemaMissingError:
            continue
        older.setdefault(name, {})[number] = found
    return older


def _past() -> Iterator[tuple[str, int, dict[str, Any]]]:
    for name in BY_RECORD:
        for number, schema in list(codec.history(name))[:-1]:
            yield name, number, schema


async def _verify(client: RegistryClient, ids: Ids) -> None:
    for name, schema_id in ids.current.items():
        theirs = compatibility.canonical(await client.schema(schema_id))
        if theirs != compatibility.canonical(codec.schema(name)):
            raise RegistryError(
                f"the registry's schema {schema_id} is not our schema of {name}: this is another "
                "registry, or one that lost its data. Point HOOKLINE_REGISTRY_URL at the right "
                "one; do not go on, since consumers would misread the records"
            )


def _path(settings: Settings) -> Path:
    return Path(settings.state_dir) / f"registry-{settings.prefix}.json"


def _digest() -> str:
    """Of all that the ids stand for: ids of other schemas are of no use."""
    ours = {name: [schema for _, schema in codec.history(name)] for name in BY_RECORD}
    text = json.dumps([ours, {name: codec.schema(name) for name in BY_RECORD}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write(settings: Settings, ids: Ids) -> None:
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "registry": settings.registry_url,
        "schemas": _digest(),
        "current": ids.current,
        "older": ids.older,
    }
    with _replacing(path) as fresh:
        fresh.write_text(json.dumps(content, indent=1))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Several workers may share the folder: each renames a file of its own."""
    import tempfile  # noqa: PLC0415 - only here

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".registry-") as folder:
        fresh = Path(folder) / path.name
        yield fresh
        fresh.replace(path)


def _read(settings: Settings) -> Ids | None:
    try:
        kept = json.loads(_path(settings).read_text())
    except (OSError, json.JSONDecodeError):
        return None  # as good as none: the registry is waited for
    if kept.get("registry") != settings.registry_url or kept.get("schemas") != _digest():
        return None
    older = {
        name: {int(number): schema_id for number, schema_id in numbers.items()}
        for name, numbers in kept["older"].items()
    }
    return Ids(kept["current"], older)
