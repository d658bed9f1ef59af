"""The files of what shops know: each object once, as it is at the end, and what was never sent."""

import json
from pathlib import Path

import pytest

from hookline.console.errors import CommandError
from hookline.simulate.payloads import render
from hookline.simulate.sending.bodies import WITHHELD, BodyFiles
from hookline.simulate.world.agenda import steps
from hookline.simulate.world.facts import Change, Step, entity_key
from tests.simulation import product

STEPS = [step for step in steps(product.ROUGH) if render(step.fact) is not None]


def written(folder: Path, withheld: frozenset[int] = frozenset()) -> dict[str, list[bytes]]:
    with BodyFiles(folder, render) as bodies:
        for number, step in enumerate(STEPS):
            payload = render(step.fact)
            assert payload is not None
            bodies.add(step, payload, number in withheld)
    return {path.name: path.read_bytes().splitlines() for path in folder.iterdir()}


def test_each_object_is_listed_once_as_it_is_at_the_end(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert files.pop(WITHHELD) == []
    newest: dict[tuple[object, ...], Step] = {}
    for step in STEPS:
        payload = render(step.fact)
        assert payload is not None
        newest[(*entity_key(step.fact), payload.event.endswith("_optin"))] = step
    assert sum(map(len, files.values())) == len(newest)
    for name, lines in files.items():
        for line in lines:
            assert json.loads(line), name
    for (shop, *_), step in newest.items():
        payload = render(step.fact)
        assert payload is not None
        if not payload.content_type.endswith("json"):
            continue
        name = shop.replace("/", "-")
        if step.fact.change is Change.DELETED and step.fact.shop.source in ("spiffy", "ciklik"):
            name += f".{payload.event.replace('/', '-')}"
        assert payload.body in files[f"{name}.jsonl"]


def test_a_withheld_state_is_the_newest_only_if_nothing_of_its_object_came_after(
    tmp_path: Path,
) -> None:
    lines = written(tmp_path, frozenset(range(0, len(STEPS), 3)))
    found = [json.loads(line) for line in lines[WITHHELD]]
    assert len(found) == (len(STEPS) + 2) // 3
    of_one: dict[tuple[str, str, bool], list[int]] = {}
    for number, step in enumerate(STEPS):
        payload = render(step.fact)
        assert payload is not None
        shop, kind, key = entity_key(step.fact)
        of_one.setdefault((shop, f"{kind}:{key}", payload.event.endswith("_optin")), []).append(
            number
        )
    expected = sorted(
        (shop, entity) for (shop, entity, _), numbers in of_one.items() if numbers[-1] % 3 == 0
    )
    assert sorted((e["shop"], e["entity"]) for e in found if e["is_newest"]) == expected


def test_a_folder_that_holds_anything_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(CommandError, match="is not empty"):
        BodyFiles(tmp_path, render)
