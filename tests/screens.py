"""Texts that steer a terminal, and whether an output does."""

import unicodedata

from hypothesis import strategies as st

STEERING = (
    "\x00\x07\x08\x0b\x0c\r\x1b\x7f\x80\x85\x90\x9b\x9d\x9f\u00ad\u061c\u200b\u200d\u200e\u200f"
    "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\ufff9\U000e0041"
)
TEXTS = st.text(st.characters() | st.sampled_from(STEERING + "\ud800\n"), max_size=40)


def steers(text: str) -> bool:
    """Whether a terminal shows more, less or something else than these characters."""
    return any(
        unicodedata.category(each)[0] == "C" or unicodedata.category(each) in ("Zl", "Zp")
        for each in text
        if each != "\n"
    )
