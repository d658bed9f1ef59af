"""The shops of a run."""

from hookline.simulate.world import Knobs, shops
from hookline.simulate.world.shop_list import MARGIN, base36
from schemas import shops as settings

START = 1_790_000_000_000_000


def test_each_platform_has_as_many_shops_as_asked_in_all_its_formats() -> None:
    made = shops(Knobs(seed=35, start=START, shops=3))
    assert len({shop.key for shop in made}) == 15
    assert {(shop.source, shop.format) for shop in made} == {
        ("spiffy", "json"), ("spiffy", "xml"), ("shoprocket", "envelope"), ("shoprocket", "older"),
        ("run-free", "json"), ("ciklik", "json"), ("gooten", "json"),
    }  # fmt: skip
    assert {shop.currency for shop in made} == {"GBP", "EUR", "USD"}
    assert {shop.counts_as_sale for shop in made if shop.source == "gooten"} == {True, False}
    assert all(shop.id.startswith("sim-z-") for shop in made)


def test_the_same_seed_gives_the_same_shops_and_another_one_other_secrets() -> None:
    knobs = Knobs(seed=1, start=START)
    assert shops(knobs) == shops(knobs)
    others = shops(Knobs(seed=2, start=START))
    assert not {shop.secret for shop in shops(knobs)} & {shop.secret for shop in others}


def test_the_limits_leave_room_for_gaps_that_are_clearly_shorter() -> None:
    for seconds in (1, 60, 600, 86_400):
        for skew in (0.0, 3.0, 20.0):
            knobs = Knobs(seed=1, start=START, seconds=seconds, clock_skew=skew)
            for shop in shops(knobs):
                assert shop.abandon_after >= 2 * (MARGIN + skew)
                assert shop.expire_after >= shop.abandon_after + 2 * (MARGIN + skew)
                assert abs(shop.clock_skew) <= skew * 1_000_000


def test_the_shops_can_be_written_into_a_shops_file() -> None:
    text = ""
    for shop in shops(Knobs(seed=2**40, start=START, shops=2)):
        text += (
            f'[[shops]]\nsource = "{shop.source}"\nid = "{shop.id}"\nsecrets = ["{shop.secret}"]\n'
            f'currency = "{shop.currency}"\ntimezone = "{shop.timezone}"\n'
            f"abandon_after = {shop.abandon_after}\nexpire_after = {shop.expire_after}\n"
        )
    assert len(settings.parse(text)) == 10


def test_numbers_are_written_in_base_36() -> None:
    assert [base36(number) for number in (0, 35, 36, 36**5)] == ["0", "z", "10", "100000"]
