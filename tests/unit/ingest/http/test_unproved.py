"""The budget of bodies that wait for their signature: who gives way to whom."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingest.http.unproved import Unproved, Waiting


class Crowd:
    """Bodies by name, and who gave way."""

    def __init__(self, limit: int = 100, per_address: int = 2) -> None:
        self.unproved = Unproved(limit, per_address)
        self.bodies: dict[str, Waiting] = {}
        self.gone: list[str] = []

    def enter(self, name: str, address: str | None) -> None:
        self.bodies[name] = self.unproved.enter(address, lambda: self.gone.append(name))

    def take(self, name: str, size: int) -> bool:
        return self.unproved.take(self.bodies[name], size)


def test_the_oldest_gives_way_to_a_newcomer_without_room() -> None:
    crowd = Crowd()
    for name in ("a", "b", "c"):
        crowd.enter(name, name)
        assert crowd.take(name, 40)
    assert crowd.gone == ["a"]
    assert crowd.unproved.held == 80


def test_an_address_with_too_many_loses_its_own_oldest() -> None:
    crowd = Crowd()
    for name, address in (("good", "1"), ("a", "2"), ("b", "2"), ("c", "2"), ("d", "2")):
        crowd.enter(name, address)
    assert crowd.gone == ["a", "b"]
    assert len(crowd.unproved) == 3


def test_addresses_that_nobody_knows_are_not_counted_together() -> None:
    crowd = Crowd()
    for number in range(9):
        crowd.enter(str(number), None)
    assert crowd.gone == []


def test_a_body_that_does_not_fit_alone_pushes_nobody_out() -> None:
    crowd = Crowd()
    crowd.enter("a", "1")
    crowd.enter("b", "2")
    assert crowd.take("a", 60)
    assert not crowd.take("b", 101)
    assert crowd.gone == []


def test_one_that_gave_way_takes_no_more_and_leaves_once() -> None:
    crowd = Crowd()
    crowd.enter("a", "1")
    crowd.enter("b", "2")
    assert crowd.take("a", 60)
    assert crowd.take("b", 60)
    assert not crowd.take("a", 1)
    crowd.unproved.leave(crowd.bodies["a"])
    crowd.unproved.leave(crowd.bodies["b"])
    crowd.unproved.leave(crowd.bodies["b"])
    assert crowd.unproved.held == 0


@given(
    st.lists(st.tuples(st.sampled_from("etl"), st.integers(0, 5), st.integers(0, 60)), max_size=60)
)
def test_its_bounds_hold_whatever_comes(steps: Sequence[tuple[str, int, int]]) -> None:
    crowd = Crowd()
    sizes: dict[str, int] = {}
    for number, (step, which, size) in enumerate(steps):
        waiting = sorted(sizes, key=int)
        if step == "e":
            sizes[str(number)] = 0
            crowd.enter(str(number), str(which % 3))
        elif waiting:
            name = waiting[which % len(waiting)]
            if step == "t":
                fits = sizes[name] + size <= 100
                assert crowd.take(name, size) is fits
                sizes[name] += size if fits else 0
            else:
                crowd.unproved.leave(crowd.bodies[name])
                del sizes[name]
        for name in crowd.gone:
            sizes.pop(name, None)
        assert crowd.unproved.held == sum(sizes.values()) <= 100
        assert len(crowd.unproved) == len(sizes)
        addresses = [crowd.bodies[name].address for name in sizes]
        assert all(addresses.count(each) <= 2 for each in addresses)
