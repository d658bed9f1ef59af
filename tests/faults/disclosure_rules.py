"""The rules of what others may read, what steers a screen, and what is run after a download."""

from tests.faults.rule import Rule

FETCH = "tests/unit/hookline/local/servers/test_fetch.py"
FILES = "tests/unit/runtime/process/test_private_files.py"
ESCAPING = "tests/unit/runtime/test_escaping.py"
SCREEN = "tests/unit/hookline/console/test_screen.py"

DISCLOSURE_RULES = (
    Rule(
        "files-of-the-owner-alone",
        "other accounts read logs, exports and run.json",
        "runtime/process/private_files.py",
        "    return os.open(path, flags, FILE)\n",
        "    return os.open(path, flags)\n",
        (FILES,),
    ),
    Rule(
        "folders-of-strangers",
        "another account chooses the schema ids that a stage starts with",
        "runtime/process/private_files.py",
        "    if not missing and is_strangers(path):\n",
        "    if False:\n",
        (FILES,),
    ),
    Rule(
        "everything-printed-is-escaped",
        "a text that a command prints as it is steers the terminal",
        "hookline/console/output.py",
        "                yield Segment(terminal_text(segment.text), segment.style)\n",
        "                yield segment\n",
        (SCREEN,),
    ),
    Rule(
        "what-steers-a-terminal",
        "characters between C0 and letters are printed as they are",
        "runtime/escaping.py",
        "        character.isprintable()\n",
        "        character >= ' '\n",
        (ESCAPING,),
    ),
    Rule(
        "hashes-of-downloads",
        "a jar that somebody changed is run",
        "hookline/local/servers/hashes.py",
        "    if (found := of_file(path)) != wanted:\n",
        "    if not (found := of_file(path)):\n",
        (FETCH,),
    ),
    Rule(
        "hashes-of-the-cache",
        "a cache that somebody changed after the download is used",
        "hookline/local/servers/fetch.py",
        "    if (why := problem(part, folder)) is not None:\n        raise LocalError(why)\n",
        "    problem(part, folder)\n",
        (FETCH,),
    ),
)
