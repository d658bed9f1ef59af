"""Images that others built: by version, and by digest as soon as one is known."""

import re

import pytest

from tests import ROOT, pin_images

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGES = [
    (file, *image)
    for file in pin_images.FILES
    for image in pin_images.images((ROOT / file).read_text())
]
REMAINS = "No digest of an image is in the repository yet"
"""A sentence of docs/security.md, for as long as it is true."""


def test_every_image_of_others_is_found() -> None:
    names = {name.partition(":")[0] for _, name, _ in IMAGES}
    assert names == {
        "apache/kafka", "apicurio/apicurio-registry", "grafana/grafana", "postgres",
        "prom/prometheus", "python",
    }  # fmt: skip
    assert len([file for file, *_ in IMAGES if file == "Dockerfile"]) == 2


@pytest.mark.parametrize(("file", "name", "digest"), IMAGES)
def test_an_image_has_a_version_and_if_a_digest_then_a_whole_one(
    file: str, name: str, digest: str | None
) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d[\w.-]*", name), file
    assert digest is None or re.fullmatch(r"sha256:[0-9a-f]{64}", digest)


def test_the_page_says_as_long_as_an_image_has_no_digest_that_it_has_none() -> None:
    is_open = any(digest is None for *_, digest in IMAGES)
    assert (REMAINS in (ROOT / "docs" / "security.md").read_text()) is is_open


def test_digests_are_added_behind_the_tag_and_replaced_and_ours_has_none() -> None:
    text = (
        "a:\n  image: postgres:18\n  b: 1\nc:\n  image: hookline\nFROM python:3.11-slim AS build\n"
    )
    made = pin_images.pinned(text, lambda _: DIGEST)

    assert made == (
        f"a:\n  image: postgres:18@{DIGEST}\n  b: 1\nc:\n  image: hookline\n"
        f"FROM python:3.11-slim@{DIGEST} AS build\n"
    )
    assert pin_images.pinned(made, lambda _: DIGEST) == made
    assert list(pin_images.images(made)) == [
        ("postgres:18", DIGEST), ("python:3.11-slim", DIGEST),
    ]  # fmt: skip
