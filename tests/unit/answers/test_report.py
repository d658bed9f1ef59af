"""What the comparison counts, and that docs/truth.md is a page that the command makes."""

from decimal import Decimal
from fractions import Fraction

from tests.answers import compare, page
from tests.answers.answer import Answer, Part, Value, summed
from tests.answers.compare import Truth, Wrong
from tests.answers.kinds import KINDS
from tests.answers.report import NAMES, Column, KindRow, column

ANN, BEN, CAY = (("spiffy/johns/customer:" + name, "GBP") for name in "abc")
TRUTH = Truth(
    customers={ANN: Value(2, Decimal(30)), BEN: Value(1, None), CAY: Value(0, Decimal(0))},
    carts={"one": "abandoned", "two": "recovered", "open": "abandoned"},
    open_keys={"open"},
)


def test_a_row_is_wrong_from_a_cent_on_and_a_number_is_wrong_where_nobody_knows() -> None:
    def wrong(orders: int, net: str | None, who: tuple[str, str] = ANN) -> bool:
        given = Answer({who: Value(orders, None if net is None else Decimal(net))})
        return who in compare.customers(TRUTH, given).all

    assert not wrong(2, "30.009")
    assert wrong(2, "30.01")
    assert wrong(3, "30")
    assert wrong(1, "0", BEN)
    assert not wrong(1, None, BEN)


def test_rows_are_missing_or_extra_and_rows_without_orders_are_neither() -> None:
    found = compare.customers(TRUTH, Answer({("spiffy/johns/customer:d", "GBP"): Value(1, None)}))

    assert found.of == 2
    assert found.missing == {ANN, BEN}
    assert found.extra == {("spiffy/johns/customer:d", "GBP")}
    assert compare.customers(TRUTH, Answer({CAY: Value(0, Decimal(0))})).extra == set()


def test_carts_are_compared_by_what_became_of_them_and_open_ones_are_left_out() -> None:
    found = compare.carts(TRUTH, Answer(carts={"one": "recovered", "three": "abandoned"}))

    assert found == Wrong(2, {"one"}, {"two"}, {"three"})


def test_amounts_that_are_off_are_added_up_by_currency_without_their_sign() -> None:
    euros = ANN[0], "EUR"
    given = Answer(
        {ANN: Value(2, Decimal(25)), BEN: Value(1, Decimal(9)), euros: Value(1, -Decimal(2))}
    )

    assert column(TRUTH, given).off == {"EUR": Fraction(2), "GBP": Fraction(5)}


def test_orders_without_a_net_are_counted_and_add_nothing() -> None:
    parts = {"1": Part("a", "GBP", 1, Decimal(3)), "2": Part("a", "GBP", 1, None)}

    assert summed(parts) == {("a", "GBP"): Value(2, Decimal(3))}


def test_the_page_in_docs_is_one_that_the_command_makes() -> None:
    run = page.Run(
        seed=7, date="2026-01-01", versions={"Hookline": "9", "Faust": "8", "DuckDB": "7"},
        facts=1, repeated=2, malformed=3, seconds=4, rate=5, shops=6, compared=7, differences=0,
        left_out=0,
    )  # fmt: skip
    some = Column(Wrong(5), Wrong(6), {})
    rows = [KindRow("late", {"plain": 1}, "key", "1", {"plain": "2"}, Fraction(1), "GBP")]
    made = page.text(run, dict.fromkeys(NAMES, some), rows)

    assert page.frame(page.PAGE.read_text()) == page.frame(made)


def test_every_cause_in_docs_is_one_that_the_command_knows_and_hookline_has_no_wrong_row() -> None:
    text = page.PAGE.read_text()
    section = text[text.index("## What was wrong") : text.index("## The history")]
    shown = [line[2:].split(" | ")[0] for line in section.splitlines() if "| `" in line]

    assert shown
    assert set(shown) <= {title for _, title in KINDS.values()}
    assert "| Hookline | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in text


def test_readme_has_the_figures_of_the_page() -> None:
    readme = page.README.read_text()
    shown = readme[readme.index(page.BEGIN) : readme.index(page.END)]

    assert shown == f"{page.BEGIN}\n{page.summary(page.PAGE.read_text())}\n"
