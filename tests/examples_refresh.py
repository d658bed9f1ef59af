"""Writes the expectations of example deliveries anew: ``python -m tests.examples_refresh [WORD]``.

Only those whose ``platform/slug`` holds WORD, where one is given. For a new body, first
write ``<slug>.expected.json`` with "published", "note" and "event" ("reject": null too where
that is what it must be). Read the difference before you keep it: an expectation says what is
right, not what the adapter did.
"""

import json
import sys

from tests.example_files import as_told, examples, rejects


def main(arguments: list[str]) -> int:
    """Rewrites what differs and names it."""
    for example in [*examples(), *rejects()]:
        if arguments and not any(word in example.name for word in arguments):
            continue
        told = as_told(example)
        if told != example.told:
            text = json.dumps(told, indent=2, ensure_ascii=False)
            example.expectation.write_text(f"{text}\n")
            sys.stdout.write(f"rewritten: {example.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
