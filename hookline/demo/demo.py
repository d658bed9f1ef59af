"""The demo: from nothing to two tables, and every expected figure checked."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from rich.console import Group
from rich.live import Live
from rich.text import Text

from hookline import topics
from hookline.audit import report
from hookline.console import output
from hookline.demo import script
from hookline.demo.expectations import AFTER_OLD_ORDER, AT_THE_END, BY_TIMER, Expectation
from hookline.demo.script import Step
from hookline.demo.temporary_stack import running
from hookline.errors import CommandError
from hookline.local.stack import memory
from hookline.send import examples, sender
from hookline.send.json_edits import parse_edit
from hookline.send.sender import Sender
from hookline.stack_address import Place
from hookline.tables.queries import VIEWS, Reader
from schemas import envelopes
from schemas.shops import Shop, load
from schemas.topics import DEAD_LETTERS

ROWS_TIMEOUT = 60.0
MAX_MEMORY = 1_500_000_000
"""Bytes that the whole stack may hold."""
LATE = """
    SELECT 'the watermark stands at ' || coalesce(at::text, 'no time yet')
           || CASE holder WHEN '' THEN '' ELSE ', held by ' || holder
              || coalesce(' since ' || since::text, '') END
           || '; looked at last at ' || updated_at::text || '; it is ' || now()::text
      FROM watermark
"""
"""Says in words why rows may be late."""
LINES = 6
"""Deliveries shown while the tables fill: both must fit on a screen."""
_MIB = 1 << 20


class Demo:
    """One run. ``once``: check and stop; else show and keep running until Ctrl-C."""

    def __init__(self, *, once: bool, data: Path | None = None) -> None:
        self.once = once
        self._given = data
        self._data = Path()
        self._results: list[tuple[str, bool, str]] = []
        self._late: list[str] = []
        self._log: list[Text] = []
        self._sent = 0
        self._accepted = 0

    def run(self) -> bool:
        """True when everything expected stood there (and, once, everything was gone)."""
        began = time.monotonic()
        if self._given and self._given.exists() and any(self._given.iterdir()):
            raise CommandError(f"{self._given} is not empty: name a fresh folder")
        data = self._data = self._given or Path(tempfile.mkdtemp(prefix="hookline-demo-"))
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: stop what runs
        try:
            with running(data) as (process, place):
                family = [process, *process.children(recursive=True)]
                self._show(place)
                used = memory(process.pid)
                self._after(place)
                self._check("the stack holds less than 1.5 GB of memory", True, used < MAX_MEMORY)
                took = time.monotonic() - began
                output.out.print(f"{took:.0f} s, {used / _MIB:.0f} MiB of memory in all processes")
                if not self.once:
                    self._rest(data, place, process)
            if self.once:
                left = [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
                self._check("everything that was started is gone", 0, len(left))
        finally:
            if self._given is None and self._passed:
                shutil.rmtree(data, ignore_errors=True)
        return self._summary() if self.once else self._passed

    def _show(self, place: Place) -> None:
        """Send everything, the tables on the screen meanwhile."""
        shops = {shop.source: shop for shop in load(Path(place.settings.shops_file)).values()}
        with (
            Reader(place) as reader,
            Sender(place.ingress_url, retries=3) as client,
            Live(console=output.out, auto_refresh=False, transient=False) as live,
        ):

            def draw(lines: int = LINES) -> None:
                drawn = [(title, reader.ask(query)) for title, query in VIEWS.values()]
                tables = (output.table(t, r.columns, r.rows) for t, r in drawn)
                live.update(Group(*self._log[-lines:], *tables), refresh=True)

            for steps, expected in (
                (script.FIRST, BY_TIMER),
                (script.OLD, AFTER_OLD_ORDER),
                (script.RECOVERY, AT_THE_END),
            ):
                for step in steps:
                    self._send(client, shops[step.source], step)
                    draw()
                self._await(reader, expected, draw)
            draw(len(self._log))

    def _send(self, client: Sender, shop: Shop, step: Step) -> None:
        sample = sender.edited(
            examples.sample(step.source, step.sample), [parse_edit(s) for s in step.sets], shop
        )
        sample = sender.malformed(sample) if step.malformed else sample
        answer = client.send(shop, sample, tampered=step.tampered)
        self._sent += 1
        self._accepted += answer.is_accepted
        colour = "green" if answer.is_accepted else "yellow"
        self._log.append(
            Text.from_markup(f"[{colour}]{answer.status}[/]  {step.source:<11}{step.says}")
        )
        if answer.status != step.status:
            self._check(f"{step.says}: answered", step.status, answer.status)

    def _await(
        self, reader: Reader, expected: Sequence[Expectation], draw: Callable[[], None]
    ) -> None:
        """Wait until all expectations hold, or long enough; note each, and what was late."""
        deadline = time.monotonic() + ROWS_TIMEOUT
        while time.monotonic() < deadline:
            draw()
            if all(one.holds(reader) for one in expected):
                break
            time.sleep(0.3)
        else:
            self._late += [row[0] for row in reader.ask(LATE).rows] or ["there is no watermark"]
        for one in expected:
            self._check(one.says, one.expected, one.actual(reader))

    def _after(self, place: Place) -> None:
        """What Kafka says: the audit, the duplicate, the dead letter."""
        report = asyncio.run(self._audited(place))
        bad = sum(step.malformed for step in script.ALL)
        total = report.total
        counted = (total.accepted, total.duplicates, total.dead_letters, total.canonical)
        self._check(
            "one duplicate, one dead letter, nothing stored of the tampered one",
            (self._accepted, 1, bad, self._accepted - 1 - bad),
            counted,
        )
        letters = asyncio.run(self._letters(place))
        self._check(
            "the dead letter names reason, byte offset and the original bytes",
            [("malformed-body", True, True)],
            letters,
        )
        colour = "green" if report.is_balanced else "red"
        output.out.print(f"\naudit: [bold {colour}]{report.line()}[/]")
        self._check("the audit balances", True, report.is_balanced)

    async def _audited(self, place: Place) -> report.Report:
        deadline = time.monotonic() + ROWS_TIMEOUT
        while True:
            found = await report.audit(place.settings)
            settled = not found.total.in_flight and not (found.sinks and found.sinks.behind)
            if settled or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.5)

    async def _letters(self, place: Place) -> list[tuple[str, bool, bool]]:
        step = next(step for step in script.ALL if step.malformed)
        body = sender.malformed(examples.sample(step.source, step.sample)).body.decode()
        found = []
        async for letter in topics.tail(
            place.settings, DEAD_LETTERS, from_start=True, follow=False
        ):
            said = letter["headers"]
            path = said.get(envelopes.FIELD_PATH) or ""
            is_offset = path.startswith("@") and path[1:].isdigit()
            found.append((said.get(envelopes.REASON), is_offset, letter["value"] == body))
        return found

    def _check(self, says: str, expected: object, actual: object) -> None:
        why = f"expected {_words(expected)}; there is {_words(actual)}"
        self._results.append((says, expected == actual, "" if expected == actual else why))

    def _summary(self) -> bool:
        if self.once or not all(holds for _, holds, _ in self._results):
            for says, holds, why in self._results:
                mark = "[green]pass[/]" if holds else "[bold red]FAIL[/]"
                output.out.print(f"{mark}  {says}")
                if why:
                    output.out.print(f"      {why}", markup=False)
        for words in self._late:
            output.out.print(f"after {ROWS_TIMEOUT:.0f} s {words}", markup=False)
        if not self._passed:
            output.out.print(
                f"what each process said stands in {self._data / 'logs'}", markup=False
            )
        passed = sum(holds for _, holds, _ in self._results)
        output.out.print(f"{passed} of {len(self._results)} expectations hold")
        return self._passed

    @property
    def _passed(self) -> bool:
        return all(holds for _, holds, _ in self._results)

    def _rest(self, data: Path, place: Place, process: psutil.Process) -> None:
        """Say what to try next, and stay until Ctrl-C."""
        self._summary()
        hookline = "hookline" if shutil.which("hookline") else os.path.relpath(sys.argv[0])
        output.out.print(
            f"""
Everything keeps running until Ctrl-C. In another terminal:

  export HOOKLINE_DATA={data}
  {hookline} tables --watch
  {hookline} send run-free cart-change --set data.customer.id=7
  {hookline} send spiffy carts-create --tamper
  {hookline} topics tail orders --from-start
  {hookline} dead list
  {hookline} audit

webhooks to   {place.ingress_url}
Kafka at      {place.settings.brokers}
registry at   {place.settings.registry_url}
SQL at        {place.reader_url}
""",
            markup=False,
        )
        try:
            process.wait()
        except KeyboardInterrupt:
            output.err.print("stopping ...")


def _words(value: object) -> str:
    parts = value if isinstance(value, tuple | list) else (value,)
    return ", ".join("null" if part is None else output.shown(part) for part in parts) or "none"
