"""The schedule: what is sent, in which order, and what never is."""

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.sending.faults import Faults, can_be_lost, can_wait, has_own_time
from hookline.simulate.sending.schedule import Delivery, Kind, Schedule, entity_number
from hookline.simulate.world.facts import Change, Fact, Step, entity_key
from tests.unit.hookline.simulate.sending.simple_facts import cart, order, render, shop, steps

SHOPS = [
    shop("run-free"),
    shop("spiffy"),
    shop("spiffy", "xml"),
    shop("shoprocket", "older"),
    shop("shoprocket", "envelope"),
    shop("ciklik"),
    shop("gooten"),
]
SHARE = st.sampled_from((0.0, 0.1, 0.5, 1.0))


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    facts: list[Fact] = []
    for at, (which, number, kind) in enumerate(
        draw(
            st.lists(
                st.tuples(
                    st.sampled_from(SHOPS),
                    st.integers(1, 4),
                    st.sampled_from(("cart", "created", "updated")),
                ),
                max_size=60,
            )
        )
    ):
        if kind == "cart":
            facts.append(cart(which, number, at))
        else:
            facts.append(order(which, number, at, Change(kind)))
    return steps(facts, every=draw(st.sampled_from((0, 1000, 5_000_000))))


FAULTS = st.builds(
    Faults,
    seed=st.integers(0, 99),
    duplicates=SHARE,
    reorder=SHARE,
    late=SHARE,
    lost=SHARE,
    lost_answers=SHARE,
    malformed=SHARE,
)


def of_kind(deliveries: list[Delivery], kind: Kind) -> list[Delivery]:
    return [each for each in deliveries if each.kind is kind]


@given(histories(), FAULTS)
def test_each_fact_is_either_sent_first_exactly_once_or_listed_as_withheld(
    history: list[Step], faults: Faults
) -> None:
    schedule = Schedule(history, render, faults)
    sent = [each.number for each in schedule if each.kind is Kind.FACT]
    assert sorted([*sent, *schedule.withheld]) == list(range(len(history)))


@given(histories(), FAULTS)
def test_what_is_withheld_is_in_no_delivery_of_any_kind(
    history: list[Step], faults: Faults
) -> None:
    schedule = Schedule(history, render, faults)
    numbers = {each.number for each in schedule}
    assert numbers.isdisjoint(schedule.withheld)
    assert all(can_be_lost(history[number].fact) for number in schedule.withheld)


@given(histories(), FAULTS)
def test_deliveries_come_in_the_order_in_which_they_are_due_and_never_before_their_step(
    history: list[Step], faults: Faults
) -> None:
    deliveries = list(Schedule(history, render, faults))
    dues = [each.due for each in deliveries]
    assert dues == sorted(dues)
    assert all(each.due >= each.step.due for each in deliveries)


@given(histories(), FAULTS)
def test_a_repeat_has_the_bytes_of_its_fact_and_comes_after_it(
    history: list[Step], faults: Faults
) -> None:
    bodies: dict[int, bytes] = {}
    for each in Schedule(history, render, faults):
        if each.kind is Kind.FACT:
            bodies[each.number] = each.payload.body
        elif each.kind is Kind.REPEAT:
            assert bodies[each.number] == each.payload.body


@given(histories(), FAULTS)
def test_where_arrival_dates_a_state_its_repeat_is_right_behind_it_among_those_of_its_entity(
    history: list[Step], faults: Faults
) -> None:
    previous: dict[tuple[str, str, int | str], int] = {}
    for each in Schedule(history, render, faults):
        if each.kind is Kind.MALFORMED:
            continue
        key = entity_key(each.step.fact)
        if each.kind is Kind.REPEAT and not has_own_time(each.step.fact):
            assert previous[key] == each.number
        previous[key] = each.number


@given(histories(), FAULTS)
def test_facts_that_cannot_wait_keep_the_order_of_their_entity_and_their_time(
    history: list[Step], faults: Faults
) -> None:
    by_entity = defaultdict(list)
    for each in of_kind(list(Schedule(history, render, faults)), Kind.FACT):
        if not can_wait(each.step.fact):
            by_entity[entity_key(each.step.fact)].append(each.number)
            assert each.due == each.step.due
    assert all(numbers == sorted(numbers) for numbers in by_entity.values())


@given(histories(), FAULTS)
def test_the_same_history_and_seed_give_the_same_deliveries(
    history: list[Step], faults: Faults
) -> None:
    def drawn() -> list[tuple[int, str, int, bytes, bool]]:
        return [
            (each.number, each.kind, each.due, each.payload.body, each.loses_answer)
            for each in Schedule(history, render, faults)
        ]

    assert drawn() == drawn()


@given(histories(), FAULTS)
def test_one_knob_does_not_change_whom_the_others_hit(history: list[Step], faults: Faults) -> None:
    alone = Faults(seed=faults.seed, lost=faults.lost)
    with_others, without = Schedule(history, render, faults), Schedule(history, render, alone)
    list(with_others), list(without)
    assert with_others.withheld == without.withheld


def test_shares_are_of_all_facts_that_may_have_the_fault() -> None:
    history = steps([order(SHOPS[1], number, number) for number in range(20_000)])
    faults = Faults(seed=3, duplicates=0.2, lost=0.01, malformed=0.01, late=0.05)
    schedule = Schedule(history, render, faults)
    deliveries = list(schedule)
    kinds = Counter(each.kind for each in deliveries)
    sent = kinds[Kind.FACT]
    assert 150 < len(schedule.withheld) < 250
    assert 0.18 < kinds[Kind.REPEAT] / sent < 0.22
    assert 0.007 < kinds[Kind.MALFORMED] / sent < 0.013
    late = [each for each in of_kind(deliveries, Kind.FACT) if each.due > each.step.due]
    assert 0.04 < len(late) / sent < 0.06


def test_a_broken_copy_is_half_of_the_body() -> None:
    history = steps([order(SHOPS[1], 1, 1)])
    first, broken = Schedule(history, render, Faults(malformed=1.0))
    assert broken.kind is Kind.MALFORMED
    assert broken.payload.body == first.payload.body[: len(first.payload.body) // 2]


def test_who_watches_sees_withheld_facts_too() -> None:
    history = steps([order(SHOPS[1], number, number) for number in range(100)])
    seen: list[bool] = []
    schedule = Schedule(
        history, render, Faults(lost=0.5), lambda _step, _payload, lost: seen.append(lost)
    )
    list(schedule)
    assert [number for number, lost in enumerate(seen) if lost] == list(schedule.withheld)
    assert len(seen) == 100


def test_the_number_of_an_entity_is_the_same_in_every_process() -> None:
    assert entity_number(order(SHOPS[0], 7, 1)) == 1_043_169_286
