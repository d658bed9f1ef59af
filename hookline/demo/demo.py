"""Runs the demo: sends the deliveries, shows the tables, checks every expected figure."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from rich.console import Group
from rich.live import Live
from rich.text import Text

from hookline.audit import report
from hookline.console import output
from hookline.console.command_path import command_path
from hookline.console.errors import CommandError
from hookline.demo import script
from hookline.demo.expectations import AFTER_OLD_ORDER, AT_THE_END, BY_TIMER, Expectation
from hookline.demo.script import Step
from hookline.demo.temporary_stack import running
from hookline.local.process import wait_until
from hookline.local.stack import memory
from hookline.send import examples, sender
from hookline.send.json_edits import parse_edit
from hookline.send.sender import Sender
from hookline.stack_address import StackAddress
from hookline.tables.queries import VIEWS, Reader
from hookline.topics import records
from hookline.topics.selection import Selection
from runtime.logs import without_passwords
from schemas import envelopes
from schemas.shops import Shop, load
from schemas.topics import DEAD_LETTERS

ROWS_TIMEOUT = 60.0
MAX_MEMORY = 1_500_000_000
"""Bytes of memory that the whole stack may use."""
LATE = """
    SELECT 'the watermark is at ' || coalesce(at::text, 'no time yet')
           || CASE holder WHEN '' THEN '' ELSE ', held by ' || holder
              || coalesce(' since ' || since::text, '') END
           || '; last updated at ' || updated_at::text || '; it is now ' || now()::text
      FROM watermark
"""
"""Describes the watermark, which explains late rows."""
LINES = 6
"""Deliveries shown above the tables: both must fit on a screen."""
SHOWN = ("carts", "customers", "people", "days", "coverage")
"""What is drawn of the tables, by its name in `hookline tables`."""
_MIB = 1 << 20


class Demo:
    """One run of the demo. ``once``: check and stop, else keep running until Ctrl-C."""

    def __init__(self, *, once: bool, data: Path | None = None) -> None:
        self.once = once
        self._folder = data
        self._data = Path()
        self._results: list[tuple[str, bool, str]] = []
        self._late: list[str] = []
        self._lines: list[Text] = []
        self._accepted = 0

    def run(self) -> bool:
        """Return True if all expectations hold and, with ``once``, no process is left."""
        began = time.monotonic()
        if self._folder and self._folder.exists() and any(self._folder.iterdir()):
            raise CommandError(f"{self._folder} is not empty: name an empty folder")
        data = self._data = self._folder or Path(tempfile.mkdtemp(prefix="hookline-demo-"))
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, it stops the stack
        try:
            with running(data) as (process, stack):
                family = [process, *process.children(recursive=True)]
                self._send_all(stack)
                used = memory(process.pid)
                self._check_kafka(stack)
                self._check("the stack uses less than 1.5 GB of memory", True, used < MAX_MEMORY)
                seconds, mib = time.monotonic() - began, used / _MIB
                output.out.print(f"{seconds:.0f} s, {mib:.0f} MiB of memory in all processes")
                if not self.once:
                    self._wait_for_user(data, stack, process)
            if self.once:
                left = [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
                self._check("no process is left running", 0, len(left))
        finally:
            if self._folder is None and self._passed:
                shutil.rmtree(data, ignore_errors=True)
        if not self.once:
            return self._passed
        passed = self._summary()
        hookline = command_path()
        output.print_line(
            f"try next: `{hookline} demo` (keeps running), or `{hookline} up` and then"
            f" `{hookline} simulate --for 1m`, `{hookline} tables --watch`"
        )
        return passed

    def _send_all(self, stack: StackAddress) -> None:
        """Send all deliveries while showing the tables."""
        shops = {shop.source: shop for shop in load(Path(stack.settings.shops_file)).values()}
        with (
            Reader(stack) as reader,
            Sender(stack.ingress_url, retries=3) as client,
            Live(console=output.out, auto_refresh=False, transient=False) as live,
        ):

            def draw(lines: int = LINES) -> None:
                views = [(VIEWS[name][0], reader.query(VIEWS[name][1])) for name in SHOWN]
                tables = (output.table(title, a.columns, a.rows) for title, a in views)
                live.update(Group(*self._lines[-lines:], *tables), refresh=True)

            for steps, expected in (
                (script.FIRST, BY_TIMER),
                (script.OLD, AFTER_OLD_ORDER),
                (script.RECOVERY, AT_THE_END),
            ):
                for step in steps:
                    self._send(client, shops[step.source], step)
                    draw()
                self._await(reader, expected, draw)
            draw(len(self._lines))

    def _send(self, client: Sender, shop: Shop, step: Step) -> None:
        edits = [parse_edit(change) for change in step.changes]
        delivery = sender.edited(examples.load(step.source, step.example), edits, shop)
        delivery = sender.malformed(delivery) if step.malformed else delivery
        answer = client.send(shop, delivery, tampered=step.tampered)
        self._accepted += answer.is_accepted
        colour = "green" if answer.is_accepted else "yellow"
        self._lines.append(
            Text.assemble((str(answer.status), colour), f"  {step.source:<11}{step.description}")
        )
        if answer.status != step.status:
            self._check(f"{step.description}: answered", step.status, answer.status)

    def _await(
        self, reader: Reader, expected: Sequence[Expectation], draw: Callable[[], None]
    ) -> None:
        """Wait until all expectations hold or the time is up; record each result."""

        def all_hold() -> bool:
            draw()
            return all(each.holds(reader) for each in expected)

        if not wait_until(all_hold, ROWS_TIMEOUT, every=0.3):
            self._late += [row[0] for row in reader.query(LATE).rows] or ["there is no watermark"]
        for each in expected:
            self._check(each.description, each.expected, each.actual(reader))

    def _check_kafka(self, stack: StackAddress) -> None:
        """Check the audit, the duplicate and the dead letter."""
        report = self._audit(stack)
        dead = sum(step.malformed for step in script.ALL)
        total = report.total
        counted = (total.accepted, total.duplicates, total.dead_letters, total.canonical)
        self._check(
            "one duplicate, one dead letter, the tampered delivery not stored",
            (self._accepted, 1, dead, self._accepted - 1 - dead),
            counted,
        )
        letters = asyncio.run(self._letters(stack))
        self._check(
            "the dead letter has the reason, byte offset and original body",
            [("malformed-body", True, True)],
            letters,
        )
        colour = "green" if report.is_balanced else "red"
        output.print_line("")
        output.print_parts("audit: ", (report.line(), f"bold {colour}"))
        self._check("the audit balances", True, report.is_balanced)

    def _audit(self, stack: StackAddress) -> report.Report:
        """Audit until nothing is in flight or the time is up."""

        def settled() -> report.Report | None:
            result = asyncio.run(report.audit(stack.settings))
            is_behind = result.total.in_flight or (result.sinks and result.sinks.behind)
            return None if is_behind else result

        timeout = ROWS_TIMEOUT
        return wait_until(settled, timeout, every=0.5) or asyncio.run(report.audit(stack.settings))

    async def _letters(self, stack: StackAddress) -> list[tuple[str, bool, bool]]:
        step = next(step for step in script.ALL if step.malformed)
        body = sender.malformed(examples.load(step.source, step.example)).body.decode()
        letters = []
        whole = Selection(from_start=True)
        async for letter in records.tail(stack.settings, DEAD_LETTERS, whole, follow=False):
            headers = letter["headers"]
            path = headers.get(envelopes.FIELD_PATH) or ""
            is_offset = path.startswith("@") and path[1:].isdigit()
            letters.append((headers.get(envelopes.REASON), is_offset, letter["value"] == body))
        return letters

    def _check(self, description: str, expected: object, actual: object) -> None:
        difference = f"expected {_text(expected)}; there is {_text(actual)}"
        self._results.append((description, expected == actual, difference))

    def _summary(self) -> bool:
        if self.once or not all(holds for _, holds, _ in self._results):
            for description, holds, difference in self._results:
                mark = ("pass", "green") if holds else ("FAIL", "bold red")
                output.print_parts(mark, f"  {description}")
                if not holds:
                    output.print_line(f"      {difference}")
        for reason in self._late:
            output.print_line(f"after {ROWS_TIMEOUT:.0f} s {reason}")
        if not self._passed:
            output.print_line(f"the logs of the processes are in {self._data / 'logs'}")
        passed = sum(holds for _, holds, _ in self._results)
        output.out.print(f"{passed} of {len(self._results)} expectations hold")
        return self._passed

    @property
    def _passed(self) -> bool:
        return all(holds for _, holds, _ in self._results)

    def _wait_for_user(self, data: Path, stack: StackAddress, process: psutil.Process) -> None:
        """Suggest commands to try, and wait for Ctrl-C."""
        self._summary()
        hookline = command_path()
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

webhooks to   {stack.ingress_url}
Kafka at      {stack.settings.brokers}
registry at   {stack.settings.registry_url}
SQL at        {without_passwords(stack.reader_url)}, passwords by `{hookline} status --env`

Try next, with a stack that keeps its data:

  {hookline} up                # another folder, other ports
  {hookline} shops add         # a shop of yours
  {hookline} --help

Or fill this one, with shops of all platforms:

  {hookline} simulate --for 1m
"""
        )
        try:
            process.wait()
        except KeyboardInterrupt:
            output.print_message("stopping ...")


def _text(value: object) -> str:
    parts = value if isinstance(value, tuple | list) else (value,)
    return (
        ", ".join("null" if part is None else output.display_text(part) for part in parts) or "none"
    )
