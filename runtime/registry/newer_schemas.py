"""Schemas of a newer Hookline, learned from the registry while records of theirs are read.

Versions run side by side during an upgrade, and after a way back the log still holds what the
newer one wrote. FULL_TRANSITIVE compatibility lets us read it: fields that we do not know are left
out.
"""

from typing import Any

from runtime.health import Health, wait_until
from runtime.registry.client import RegistryAwayError, RegistryClient, RegistryError
from runtime.settings import Settings
from schemas import compatibility
from schemas.codec import Codec, schema


class NewerSchemas:
    """Adds schemas to ``codec`` by their ids."""

    def __init__(self, settings: Settings, health: Health, codec: Codec) -> None:
        self._settings, self._health, self._codec = settings, health, codec

    async def learn(self, schema_id: int, name: str) -> None:
        """Add the schema of an id, which must be of the record ``name`` (``carts``).

        Waits while the registry is away. Raises SchemaMissingError where it has no such id,
        RegistryError where the schema is another record's or does not resolve into ours.
        """

        async def ask() -> Any:
            async with RegistryClient(self._settings) as client:
                return await client.schema(schema_id)

        found = await wait_until(
            self._health,
            "registry",
            ask,
            RegistryAwayError,
            str,
            longest_pause=5.0,
        )
        newer, ours = compatibility.canonical(found), schema(name)
        expected = compatibility.canonical(ours)["name"]
        if not isinstance(newer, dict) or newer.get("name") != expected:
            raise RegistryError(
                f"schema {schema_id} of the registry is not one of {expected}: the registry lost"
                " its data or was restored out of order. Restore it with the same ids"
            )
        if reasons := compatibility.breaks(ours, [found]):
            raise RegistryError(
                f"schema {schema_id} of the registry does not resolve into our schema of {name}:"
                f" {'; '.join(reasons)}. Upgrade this Hookline"
            )
        self._codec.add(schema_id, name, found)
