"""The registry's ids of our schemas, and the copy of them that each worker keeps on disk.

The copy is a cache: a stage starts with it while the registry is away, and compares it with what
the registry gives. Whatever is wrong with the file or its folder costs only that.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from runtime import logs
from runtime.process.private_files import create_folder, is_strangers, open_private
from runtime.settings import Settings
from schemas import codec
from schemas.topics import BY_RECORD

log = logs.get("hookline.registry")


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


class _File(msgspec.Struct):
    registry: str
    schemas: str
    current: dict[str, int]
    older: dict[str, dict[int, int]]


def path(settings: Settings) -> Path:
    """Return the file in which a worker keeps the ids."""
    return Path(settings.state_dir) / f"registry-{settings.prefix}.json"


def _digest() -> str:
    """Hash all our schemas: cached ids of other schemas are useless."""
    ours = {name: [schema for _, schema in codec.history(name)] for name in BY_RECORD}
    text = json.dumps([ours, {name: codec.schema(name) for name in BY_RECORD}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write(settings: Settings, ids: SchemaIds) -> None:
    """Store the ids; a folder that does not take them is reported in the log."""
    target = path(settings)
    content = _File(settings.registry_url, _digest(), ids.current, ids.older)
    try:
        create_folder(target.parent)
        # Several workers may share the folder: each renames a file of its own.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".registry-") as folder:
            file = Path(folder) / target.name
            with open_private(file, "wb") as opened:
                opened.write(msgspec.json.format(msgspec.json.encode(content), indent=1))
            file.replace(target)
    except OSError as error:
        log.warning("the schema ids are not saved to disk", file=str(target), error=repr(error))


def read(settings: Settings, *, any_registry: bool = False) -> SchemaIds | None:
    """Read the cached ids; None where there are none for this registry and these schemas.

    ``any_registry``: those of a registry at another address too.
    """
    try:
        if is_strangers(Path(settings.state_dir)):
            return None
        cached = msgspec.json.decode(path(settings).read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if cached.schemas != _digest():
        return None
    if cached.registry != settings.registry_url and not any_registry:
        return None
    return SchemaIds(cached.current, cached.older)
