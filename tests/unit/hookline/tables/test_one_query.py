"""What a text's words show before the server sees it; the server's own walls are in integration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.tables.one_query import refusal

NAMES = (
    "pg_read_file", "pg_ls_dir", "pg_stat_file", "lo_import", "lo_export", "dblink", "set_config",
    "pg_terminate_backend", "pg_advisory_lock", "pg_try_advisory_xact_lock", "pg_notify",
    "query_to_xml", "pg_catalog.lo_create",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_a_function_that_reaches_the_server_is_refused_by_name(name: str) -> None:
    bare = name.rpartition(".")[2]
    for call in (f"{name}(1)", f"{name.upper()} (1)", f"{name} /* x */ (1)"):
        why = refusal(f"select {call}, 1")
        assert why is not None
        assert why.startswith(f"refused {bare}(): it ")
    assert refusal(f'select "{bare}"(1)') is not None


@pytest.mark.parametrize(
    "text",
    [
        "copy orders to program 'id'", "ROLLBACK", "begin read write", "set role hookline",
        "create temp table t (n int)", "do $$ begin end $$", "/* a */ -- b\n drop table orders",
        "explain analyze delete from orders", "lock table orders", "listen x",
    ],
)  # fmt: skip
def test_what_is_no_query_is_refused_by_its_first_word(text: str) -> None:
    why = refusal(text)
    assert why is not None
    assert "only a query is run (SELECT, WITH, VALUES, TABLE)" in why


@pytest.mark.parametrize("text", ["", " \n", ";", "-- nothing", "/* nothing */ ;"])
def test_a_text_without_a_statement_is_no_query(text: str) -> None:
    assert refusal(text) == "no query: the text holds no statement"


@pytest.mark.parametrize(
    "query",
    [
        "select 'copy x; pg_read_file(1)' as text",
        "select $q$ lo_export(1) $q$, E'it\\'s set_config(1)'",
        "with a as (select 1) select * from a -- pg_ls_dir('/')",
        "(select 1) union (values (2));",
        "TABLE orders",
        "select pg_size_pretty(1), to_char(now(), 'YYYY'), max(lo_value) from t",
        'select "a;b" from t',
    ],
)
def test_a_query_whose_strings_and_comments_name_them_is_run(query: str) -> None:
    assert refusal(query) is None


@given(st.text(st.characters(exclude_characters="'\\\x00")), st.sampled_from(NAMES))
def test_no_string_makes_a_query_refused(text: str, name: str) -> None:
    assert refusal(f"values ('{text} {name}(1)')") is None


@given(st.text(alphabet="select pg_read_file()'\"$-/*;U&\n", max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    assert (answer := refusal(text)) is None or answer.startswith(("refused ", "no query"))
