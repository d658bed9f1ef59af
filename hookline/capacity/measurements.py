"""The measured figures for capacity planning: one data file, with the origin of each figure.

``python -m tests.bench.capacity --write`` writes the file from runs of the bench.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import structs

from hookline.console.errors import CommandError

FILE = "measurements.json"


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure. ``value`` None: not measured.

    ``by`` is the command that measures it; ``machine``, ``commit`` and ``at`` identify the run.
    ``provisional``: from a short run or a busy machine, to be measured again.
    """

    value: Annotated[float, msgspec.Meta(gt=0)] | None
    unit: str
    what: str
    by: str
    machine: str = ""
    commit: str = ""
    at: str = ""
    provisional: bool = False


class Figures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All figures. CPU in microseconds of one core, sizes in bytes, take-over in seconds."""

    ingress_cpu: Figure
    processor_cpu: Figure
    sink_cpu: Figure
    postgres_cpu: Figure
    broker_cpu: Figure
    body: Figure
    raw_overhead: Figure
    event: Figure
    events_per_delivery: Figure
    order: Figure
    cart: Figure
    customer: Figure
    wal: Figure
    index_entry: Figure
    ingress_memory: Figure
    processor_memory: Figure
    sink_memory: Figure
    take_over_log: Figure
    take_over_cache: Figure

    def named(self) -> dict[str, Figure]:
        """Return the figures by name, in the order of the file."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @property
    def missing(self) -> list[str]:
        """Names of figures that are not measured."""
        return [name for name, each in self.named().items() if each.value is None]

    @property
    def provisional(self) -> list[str]:
        """Names of figures from a short run or a busy machine."""
        return [name for name, each in self.named().items() if each.provisional]


def read(path: Path | None = None) -> Figures:
    """Read the figures of a file, or those of the package. Raises CommandError."""
    try:
        text = (
            resources.files("hookline.capacity").joinpath(FILE).read_bytes()
            if path is None
            else path.read_bytes()
        )
    except OSError as error:
        raise CommandError(f"{path or FILE}: {error.strerror or error}") from error
    try:
        return msgspec.json.decode(text, type=Figures)
    except msgspec.DecodeError as error:
        raise CommandError(
            f"{path or FILE} is not a file of figures ({error}): start from a copy of {FILE}, or"
            " measure with `make bench`, then `python -m tests.bench.capacity --write --to FILE`"
        ) from error


def to_json(figures: Figures) -> str:
    """Return the text of a file of figures."""
    text = msgspec.json.encode(structs.asdict(figures))
    return msgspec.json.format(text, indent=2).decode() + "\n"
