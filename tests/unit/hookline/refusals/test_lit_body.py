"""A document as lines, and the field that a path names marked."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.refusals.lit_body import lit, steps

NAMES = st.text("abcxyz_", min_size=1, max_size=6)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def paths(value: Any, at: str = "") -> list[str]:
    """The paths of every field below a value, as adapters write them."""
    found: list[str] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += [(f"{at}.{key}" if at else key), *paths(inner, f"{at}.{key}" if at else key)]
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += [f"{at}[{index}]", *paths(inner, f"{at}[{index}]")]
    return found


@given(document=DOCUMENTS)
def test_the_lines_are_the_document_whatever_is_marked(document: Any) -> None:
    for path in ["", *paths(document), "not.there[3]"]:
        text = "\n".join(line.text for line in lit(document, path).lines)
        assert json.loads(text) == document
        assert text == json.dumps(document, indent=2, ensure_ascii=False)


@given(document=DOCUMENTS)
def test_each_field_that_is_there_is_one_line_that_is_marked(document: Any) -> None:
    for path in paths(document):
        made = lit(document, path)
        [marked] = [line.text for line in made.lines if line.is_lit]
        assert made.is_exact
        last = steps(path)[-1]
        assert isinstance(last, int) or marked.lstrip().startswith(f"{json.dumps(last)}: ")


@given(document=DOCUMENTS)
def test_of_a_field_that_is_not_there_what_leads_to_it_is_marked(document: Any) -> None:
    for path in paths(document):
        made = lit(document, f"{path}.missing")
        [marked] = [line for line in made.lines if line.is_lit]
        assert not made.is_exact
        assert [line for line in lit(document, path).lines if line.is_lit] == [marked]


def test_nothing_is_marked_without_a_path_and_in_a_sentence() -> None:
    for document, path in (({"a": 1}, ""), ({"a": 1}, "b"), ("[12 bytes: malformed-body]", "@3")):
        made = lit(document, path)
        assert (made.is_any_lit, made.is_exact) == (False, False)
