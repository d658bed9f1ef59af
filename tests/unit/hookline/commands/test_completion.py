"""Shells complete commands, options and names by the scripts of `hookline completion`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

HARNESS = """
source <(hookline completion bash)
complete_with=$(complete -p hookline | sed -E 's/.*-F ([^ ]+) .*/\\1/')
for typed in "$@"; do
    read -ra COMP_WORDS <<< "$typed"
    [[ "$typed" == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    $complete_with hookline
    echo "${COMPREPLY[*]}"
done
"""
"""Prints what bash offers for each argument, a line each."""

OFFERED = {
    "hookline sta": {"status"},
    "hookline tables ex": {"export"},
    "hookline up --ka": {"--kafka-port"},
    "hookline tables export --format ": {"csv", "parquet"},
    "hookline dead list --reason mal": {"malformed-body"},
    "hookline send sp": {"spiffy"},
    "hookline send run-free cart": {"cart-change", "cart-change-emptied"},
    "hookline send nobody ": set[str](),
    "hookline topics tail dead": {"dead-letters"},
    "hookline listen --shop spiffy/": {"spiffy/johns"},
    "hookline dead list --shop run": {"run-free/lakeside"},
    "hookline up --data ": set[str](),  # left to the shell, which completes files
}


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment's `hookline` first in PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HOOKLINE_")}
    return subprocess.run(
        command,
        env={**kept, **environment, "PATH": path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_bash_completes_what_is_typed() -> None:
    # A misspelt setting is warned about, but not into the line that is being typed.
    ended = run(
        ["bash", "--norc", "-c", HARNESS, "-", *OFFERED],
        HOOKLINE_BROKER="kafka:9092",
        HOOKLINE_SHOPS_FILE="shops.example.toml",
    )
    lines = [set(line.split()) for line in ended.stdout.splitlines()]
    assert dict(zip(OFFERED, lines, strict=True)) == OFFERED
    assert "is not a setting" not in ended.stdout


@pytest.mark.parametrize(("shell", "start"), [("zsh", "#compdef hookline"), ("fish", "complete ")])
def test_other_shells_have_scripts_that_ask_hookline(shell: str, start: str) -> None:
    script = run(["hookline", "completion", shell]).stdout
    assert script.startswith(start)
    assert f"_HOOKLINE_COMPLETE=complete_{shell}" in script
    asked = run(
        ["hookline"],
        _HOOKLINE_COMPLETE=f"complete_{shell}",
        _TYPER_COMPLETE_ARGS="hookline stat",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert "status" in asked.stdout
    assert "audit" not in asked.stdout


def test_a_shell_without_a_script_is_refused_with_those_that_have_one() -> None:
    ended = run(["hookline", "completion", "tcsh"])
    assert ended.returncode == 2
    assert "'bash', 'zsh', 'fish'" in ended.stderr
