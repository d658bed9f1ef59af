"""The measured figures that capacity is reckoned from: one data file, each with its origin.

``python -m tests.bench.capacity --write`` makes the file from runs of the bench.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import structs

from hookline.errors import CommandError

FILE = "measurements.json"


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure. ``value`` None: nobody has measured it.

    ``by`` is the command that measures it; ``machine``, ``commit`` and ``at`` say of which run
    the value is. ``provisional``: of a short run or a busy machine, to be measured again.
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
    """All of them. CPU in microseconds of one core, sizes in bytes, take-over in seconds."""

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
        """By name, in the order of the file."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @property
    def missing(self) -> list[str]:
        """Names of those that nobody has measured."""
        return [name for name, each in self.named().items() if each.value is None]

    @property
    def provisional(self) -> list[str]:
        """Names of those of a short run or a busy machine."""
        return [name for name, each in self.named().items() if each.provisional]


def read(path: Path | None = None) -> Figures:
    """The figures of a file, or those that come with the package. Raises CommandError."""
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
            f"{path or FILE} holds no figures ({error}): begin with a copy of {FILE}, or"
            " measure with `make bench`, then `python -m tests.bench.capacity --write --to FILE`"
        ) from error


def written(figures: Figures) -> str:
    """The text of a file."""
    text = msgspec.json.encode(structs.asdict(figures))
    return msgspec.json.format(text, indent=2).decode() + "\n"
