"""The schema registry: used at registration and start-up, never needed while running.

Any registry with the Confluent HTTP API works; ``registry_url`` is the base of that API.
"""

import hashlib
import json
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from runtime.health import Health, wait_until
from runtime.settings import Settings
from schemas import codec, compatibility
from schemas.topics import BY_RECORD

COMPATIBILITY = "FULL_TRANSITIVE"
_TIMEOUT = 5.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class RegistryError(RuntimeError):
    """The registry or one of our schemas cannot be used; the message has the remedy."""


class RegistryAwayError(RegistryError):
    """The registry is unreachable or overloaded; the same call may succeed later."""


class SchemaMissingError(RegistryError):
    """The registry does not have a schema or a subject."""


class RegistryClient:
    """The registry's HTTP API, as far as it is used. Use as an async context manager.

    Raises RegistryAwayError where waiting helps, SchemaMissingError for a schema or subject that
    does not exist, RegistryError for a refusal.
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
            trust_env=host.hostname not in _LOOPBACK,  # proxies do not apply to this machine
            verify=ssl.create_default_context(cafile=settings.ssl_cafile) if secure else True,
            headers={"Accept": "application/vnd.schemaregistry.v1+json, application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = await self._http.request(method, f"{self._url}{path}", json=body)
        except httpx.TransportError as error:
            raise RegistryAwayError(
                f"no registry answers at {self._url} ({type(error).__name__}): "
                "is it running, is HOOKLINE_REGISTRY_URL right?"
            ) from error
        status = response.status_code
        if status == httpx.codes.NOT_FOUND:
            raise SchemaMissingError(f"the registry has no {path}")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise RegistryError(
                f"the registry refuses our credentials ({status}): check "
                "HOOKLINE_REGISTRY_USERNAME and HOOKLINE_REGISTRY_PASSWORD"
            )
        if response.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
            raise RegistryAwayError(f"the registry answers {status} to {path}")
        if not response.is_success:
            raise RegistryError(
                f"the registry refuses {method} {path} ({status}): {response.text[:500]}"
            )
        try:
            return response.json() if response.content else None
        except json.JSONDecodeError as error:
            raise RegistryError(
                f"{self._url} is not the Confluent API: set HOOKLINE_REGISTRY_URL to its "
                "base (Apicurio: http://host:port/apis/ccompat/v7)"
            ) from error

    async def register(self, subject: str, text: str) -> int:
        """Register a schema under a subject unless it is; return its id."""
        return await self._schema_id(f"/subjects/{quote(subject, safe='')}/versions", text)

    async def look_up(self, subject: str, text: str) -> int:
        """Return the id of a schema that is registered under a subject."""
        return await self._schema_id(f"/subjects/{quote(subject, safe='')}", text)

    async def _schema_id(self, path: str, text: str) -> int:
        answer = await self._request("POST", path, {"schema": text, "schemaType": "AVRO"})
        return int(answer["id"])

    async def schema(self, schema_id: int) -> Any:
        """Return the parsed schema with an id."""
        answer = await self._request("GET", f"/schemas/ids/{schema_id}")
        return json.loads(answer["schema"])

    async def require(self, subject: str, compatibility_level: str) -> None:
        """Set the level at which the registry checks new versions of a subject."""
        path = f"/config/{quote(subject, safe='')}"
        await self._request("PUT", path, {"compatibility": compatibility_level})


@dataclass(frozen=True, slots=True)
class SchemaIds:
    """The registry's ids of our schemas: current ones by record, older ones by version."""

    current: dict[str, int]
    older: dict[str, dict[int, int]]

    def codec(self) -> codec.Codec:
        """Build a codec that writes the current versions and reads all versions."""
        older = {
            self.older[name][number]: (name, schema)
            for name in self.older
            for number, schema in codec.history(name)
            if number in self.older[name]
        }
        return codec.Codec(self.current, older)


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
        if reasons := compatibility.breaks(current, (schema for _, schema in committed)):
            raise RegistryError(
                f"the schema of {name} breaks readers or writers of earlier versions: "
                + "; ".join(reasons)
            )


async def register(settings: Settings) -> SchemaIds:
    """Register all schemas and have the registry check their subjects from then on."""
    check_history()
    current = {}
    async with RegistryClient(settings) as client:
        for name, topic in BY_RECORD.items():
            subject = topic.subject(settings.prefix)
            is_new = False
            try:
                await client.require(subject, COMPATIBILITY)
            except SchemaMissingError:  # some registries have no subject before its first version
                is_new = True
            current[name] = await client.register(subject, codec.schema_text(name))
            if is_new:
                await client.require(subject, COMPATIBILITY)
        ids = SchemaIds(current, await _older(client, settings))
        await _verify(client, ids)
    cached = _read(settings)
    if cached is not None and cached.current != ids.current:
        raise RegistryError(
            "the registry has new ids for our schemas: it lost its data, and records in the log"
            " carry the old ids. Restore the registry; or, if every canonical topic is"
            f" empty, delete {_path(settings)} and try again"
        )
    _write(settings, ids)
    return ids


async def load_codec(settings: Settings, health: Health | None = None) -> codec.Codec:
    """Build a codec with the registry's ids, cached on disk for when it is away.

    Waits for the registry, with a condition on ``health``, while no ids are cached. Raises
    RegistryError for a schema that is not registered, or an id of another schema than ours.
    """

    async def current_or_cached() -> SchemaIds:
        try:
            ids = await look_up(settings)
        except RegistryAwayError:
            if (cached := _read(settings)) is None:
                raise
            return cached
        _write(settings, ids)
        return ids

    ids = await wait_until(
        health or Health(),
        "registry",
        current_or_cached,
        RegistryAwayError,
        str,
        longest_pause=15.0,
    )
    return ids.codec()


async def look_up(settings: Settings) -> SchemaIds:
    """Ask the registry for the ids. Raises RegistryError, also while it is away."""
    current = {}
    async with RegistryClient(settings) as client:
        for name, topic in BY_RECORD.items():
            subject = topic.subject(settings.prefix)
            try:
                current[name] = await client.look_up(subject, codec.schema_text(name))
            except SchemaMissingError as error:
                raise SchemaMissingError(
                    f"our schema of {name} is not registered under {subject}: "
                    "run `hookline topics create`"
                ) from error
        ids = SchemaIds(current, await _older(client, settings))
        await _verify(client, ids)
    return ids


async def _older(client: RegistryClient, settings: Settings) -> dict[str, dict[int, int]]:
    """Look up the ids of earlier versions, by record and version; unregistered ones are absent."""
    older: dict[str, dict[int, int]] = {}
    for name, topic in BY_RECORD.items():
        for number, schema in list(codec.history(name))[:-1]:
            text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
            try:
                schema_id = await client.look_up(topic.subject(settings.prefix), text)
            except SchemaMissingError:
                continue
            older.setdefault(name, {})[number] = schema_id
    return older


async def _verify(client: RegistryClient, ids: SchemaIds) -> None:
    for name, schema_id in ids.current.items():
        registered = compatibility.canonical(await client.schema(schema_id))
        if registered != compatibility.canonical(codec.schema(name)):
            raise RegistryError(
                f"the registry's schema {schema_id} is not our schema of {name}: this is another "
                "registry, or one that lost its data. Point HOOKLINE_REGISTRY_URL at the right "
                "one; do not go on, since consumers would misread the records"
            )


def _path(settings: Settings) -> Path:
    return Path(settings.state_dir) / f"registry-{settings.prefix}.json"


def _digest() -> str:
    """Hash all our schemas: cached ids of other schemas are useless."""
    ours = {name: [schema for _, schema in codec.history(name)] for name in BY_RECORD}
    text = json.dumps([ours, {name: codec.schema(name) for name in BY_RECORD}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write(settings: Settings, ids: SchemaIds) -> None:
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "registry": settings.registry_url,
        "schemas": _digest(),
        "current": ids.current,
        "older": ids.older,
    }
    # Several workers may share the folder: each renames a file of its own.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".registry-") as folder:
        file = Path(folder) / path.name
        file.write_text(json.dumps(content, indent=1))
        file.replace(path)


def _read(settings: Settings) -> SchemaIds | None:
    """Read the cached ids; None where there are none for this registry and these schemas."""
    try:
        cached = json.loads(_path(settings).read_text())
    except (OSError, json.JSONDecodeError):
        return None
    if cached.get("registry") != settings.registry_url or cached.get("schemas") != _digest():
        return None
    older = {
        name: {int(number): schema_id for number, schema_id in numbers.items()}
        for name, numbers in cached["older"].items()
    }
    return SchemaIds(cached["current"], older)
