"""Adds to every image of docker-compose.yml and the Dockerfile the digest of its tag.

    python -m tests.pin_images          ask the registries, by ``docker buildx imagetools``
    python -m tests.pin_images --check  exit with 1 if an image has none, or another one than there

An image that has a digest gets the present one of its tag: look at the difference, and commit it.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

from tests import ROOT

FILES = ("docker-compose.yml", "Dockerfile")
OURS = "hookline"
"""The image that is built here."""

_IMAGE = re.compile(
    r"^(?P<before>\s*image:\s+|FROM\s+)(?P<name>[^\s@]+)(?:@(?P<digest>\S+))?(?P<after>.*)$",
    re.MULTILINE,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def images(text: str) -> Iterator[tuple[str, str | None]]:
    """Name with tag, and digest if there is one, of every image that others built."""
    for match in _IMAGE.finditer(text):
        if match["name"] != OURS:
            yield match["name"], match["digest"]


def pinned(text: str, digest_of: Callable[[str], str]) -> str:
    """The text with the digest of every image that others built."""

    def replaced(match: re.Match[str]) -> str:
        if match["name"] == OURS:
            return match[0]
        return f"{match['before']}{match['name']}@{digest_of(match['name'])}{match['after']}"

    return _IMAGE.sub(replaced, text)


def ask(name: str) -> str:
    """The digest that the registry has for an image now. Exits where there is no answer."""
    command = ["docker", "buildx", "imagetools", "inspect", name]
    try:
        done = subprocess.run(
            [*command, "--format", "{{.Manifest.Digest}}"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        sys.exit("there is no docker here, which asks the registries: install it with its buildx")
    digest = done.stdout.strip()
    if not _DIGEST.fullmatch(digest):
        sys.exit(f"no digest of {name}: {done.stderr.strip() or done.stdout.strip()}")
    return digest


def main() -> None:
    """Pin the images of both files, or compare."""
    differs = False
    for name in FILES:
        path = ROOT / name
        text = path.read_text()
        made = pinned(text, ask)
        differs |= made != text
        if "--check" not in sys.argv:
            path.write_text(made)
    print("the digests differ" if differs else "every image has the digest of its tag")
    if "--check" in sys.argv:
        sys.exit(differs)


if __name__ == "__main__":
    main()
