"""docs/notify.md: its snippets verify what is really sent, and it names every alert."""

import json
import re
import shutil
import subprocess
import time
from typing import Any

import pytest

from hookline.notify.sending.signatures import signature, signing_keys
from tests import ROOT, named_commands

PAGE = (ROOT / "docs" / "notify.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"hookline.alert.raised","data":{"what":"Ä"}}'.encode()


def snippet(language: str) -> str:
    [code] = re.findall(rf"<!-- verify: {language} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


def headers(age: int = 0) -> dict[str, str]:
    at = int(time.time()) - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": "v1,bm9uZQ== " + signature(signing_keys(SECRET), "msg_1", at, BODY),
    }


def cases() -> list[tuple[dict[str, str], bytes, bool]]:
    """Headers, body, and whether they are right now: made when a test begins."""
    return [
        (headers(), BODY, True),
        (headers(), BODY + b" ", False),
        (headers(age=3600), BODY, False),
        ({**headers(), "webhook-id": "msg_2"}, BODY, False),
    ]


def test_the_python_snippet_verifies_what_is_sent_and_nothing_else() -> None:
    namespace: dict[str, Any] = {}
    exec(compile(snippet("python"), "docs/notify.md", "exec"), namespace)  # noqa: S102 - our page
    for given, body, is_right in cases():
        assert namespace["verify"](SECRET, given, body) is is_right


def test_the_node_snippet_verifies_what_is_sent_and_nothing_else() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: apt-get install nodejs brings one")
    made = cases()
    given = json.dumps([[each, body.decode()] for each, body, _ in made])
    code = (
        f"{snippet('node')}\n"
        f"console.log(JSON.stringify({given}.map(([headers, body]) =>"
        f" verify({json.dumps(SECRET)}, headers, Buffer.from(body)))))"
    )
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [is_right for *_, is_right in made]


def test_the_page_has_every_alert_and_names_commands_that_exist() -> None:
    named = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    source = "".join(
        path.read_text() for path in (ROOT / "hookline" / "notify" / "conditions").glob("*.py")
    )
    assert named == set(re.findall(r'alert="([a-z-]+)"', source))
    assert named_commands.missing(PAGE) == []
