"""Registers our schemas and looks up their ids: at registration and when a stage starts."""

import json

from runtime.health import Health, wait_until
from runtime.registry import cached_ids
from runtime.registry.cached_ids import SchemaIds
from runtime.registry.client import (
    RegistryAwayError,
    RegistryClient,
    RegistryError,
    SchemaMissingError,
)
from runtime.settings import Settings
from schemas import codec, compatibility
from schemas.topics import BY_RECORD

COMPATIBILITY = "FULL_TRANSITIVE"


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
    compare_with_cached(settings, ids)
    cached_ids.write(settings, ids)
    return ids


def compare_with_cached(settings: Settings, ids: SchemaIds) -> None:
    """Raise RegistryError where the ids are not those that records in the log carry."""
    cached = cached_ids.read(settings, any_registry=True)
    if cached is None:
        return
    changed = [
        f"{name} had {cached.current[name]} and has {schema_id}"
        for name, schema_id in ids.current.items()
        if cached.current.get(name, schema_id) != schema_id
    ]
    if changed:
        raise RegistryError(
            f"the registry has new ids for our schemas ({', '.join(changed)}): it lost its data or"
            " was restored out of order, and records in the log carry the old ids. Restore the"
            " registry with the same ids; or, if every canonical topic is empty, delete"
            f" {cached_ids.path(settings)} and try again"
        )


async def load_codec(settings: Settings, health: Health | None = None) -> codec.Codec:
    """Build a codec with the registry's ids, cached on disk for when it is away.

    Waits for the registry, with a condition on ``health``, while no ids are cached. Raises
    RegistryError for a schema that is not registered, or an id of another schema than ours.
    """

    async def current_or_cached() -> SchemaIds:
        try:
            ids = await look_up(settings)
        except RegistryAwayError:
            if (cached := cached_ids.read(settings)) is None:
                raise
            return cached
        compare_with_cached(settings, ids)
        cached_ids.write(settings, ids)
        return ids

    ids = await wait_until(
        health or Health(),
        "registry",
        current_or_cached,
        RegistryAwayError,
        str,
        longest_pause=5.0,
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
