"""One history of simulated shops, sent to a real stack, and what Hookline and Faust make of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hookline.console.errors import CommandError
from hookline.demo.temporary_stack import running
from hookline.simulate.run import Plan, Run, now_micros
from hookline.simulate.sending import joining
from hookline.simulate.sending.faults import Faults
from hookline.simulate.truth.comparison import Difference
from hookline.simulate.truth.expected import Expected
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.verify import verify, wait_for_quiet, watermark
from hookline.simulate.world.facts import SECOND
from hookline.simulate.world.knobs import Knobs
from hookline.tables.queries import Reader
from processors.sources.readers.contact import email_hash
from runtime.settings import Settings
from tests import ROOT
from tests.answers import answer, deliveries
from tests.answers.answer import ABANDONED, RECOVERED, Answer, Part, Shop, Value
from tests.answers.compare import Truth, truth_of
from tests.answers.deliveries import Delivery
from tests.answers.pipelines import faust_tables

SHOPS, RATE, SECONDS = 3, 50.0, 120.0
DAYS = 60
"""Two months in two minutes: a second of the run is half a day."""
SHARES = {
    "duplicates": 0.1,
    "reorder": 0.05,
    "late": 0.03,
    "lost_answers": 0.01,
    "malformed": 0.01,
}
LATEST = 3
"""Days by which a delivery is late or repeated at most: about as long as platforms try again."""
_FAUST_TIMEOUT = 120.0
Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class History:
    """What was sent and received, what is right, and the answers that were made meanwhile.

    ``differences``: of all tables and views, every column, in which Hookline differs from the
    truth. ``as_of``: the watermark at which all was compared, in microseconds.
    """

    seed: int
    figures: Mapping[str, int]
    deliveries: list[Delivery]
    shops: Mapping[str, Shop]
    as_of: int
    expected: Expected
    truth: Truth
    differences: list[Difference]
    hookline: Answer
    faust: Answer


def gather(seed: int, folder: Path, report: Report, *, seconds: float, rate: float) -> History:
    """Start a stack in ``folder``, send a run, wait for quiet, read everything.

    Raises CommandError, NotQuietError.
    """
    knobs = Knobs(seed=seed, start=now_micros(), seconds=seconds, rate=rate, shops=SHOPS, days=DAYS)
    longest = int(seconds * LATEST / DAYS * SECOND)
    faults = Faults(seed=seed, longest=longest, **SHARES)
    plan = Plan(knobs=knobs, faults=faults)
    shops = answer.known(plan.shops)
    with running(folder) as (_, stack):
        joining.add(Path(stack.settings.shops_file), plan.shops, seed)
        settings = joining.settings_of(plan.shops)
        joining.wait_until_known([stack.ingress_url], settings.values(), report)
        with faust_beside(stack.settings, shops, folder) as wait_for_faust:
            run = Run(replace(plan, knobs=replace(knobs, start=now_micros())))
            report(f"{len(shops)} shops send for {seconds:.0f} s")
            if not run.send([stack.ingress_url]):
                raise CommandError(f"not every delivery was accepted: {run.as_dict()}")
            received = list(run.received())
            with Reader(stack) as reader:
                report("waiting until the tables are quiet")
                wait_for_quiet(reader, received)
                found = verify(reader, received, run.prefix)
                as_of = watermark(reader)
                ours = _hookline(reader, stack.settings.contact_key, run.prefix, received)
            accepted = deliveries.read(stack.settings)
            report("waiting until Faust has read them all")
            faust = wait_for_faust(len(accepted))
    return History(
        seed=seed,
        figures={
            "facts": run.tally.accepted,
            "repeated": run.tally.repeated,
            "malformed": run.tally.malformed,
        },
        deliveries=accepted,
        shops=shops,
        as_of=as_of,
        expected=found.truth,
        truth=truth_of(found.truth, received, as_of),
        differences=found.differences,
        hookline=ours,
        faust=faust,
    )


def _hookline(reader: Reader, contact_key: str, prefix: str, received: list[Received]) -> Answer:
    """Read Hookline's tables. The hash in a guest's key is replaced by the address."""
    mine = (f"{prefix}%",)
    emails = {each.fact.customer.email.lower() for each in received}
    address = {email_hash(email, contact_key.encode()): email for email in emails}

    def spelled(key: str) -> str:
        shop, is_guest, hashed = key.partition("/guest:")
        return f"{shop}/guest:{address[hashed]}" if is_guest else key

    found = Answer()
    rows = reader.query(
        "SELECT customer_key, currency, orders_count, net FROM customer_lifetime_value"
        " WHERE shop LIKE %s", mine,
    ).rows  # fmt: skip
    for key, currency, orders, net in rows:
        found.customers[spelled(key), currency] = Value(orders, net)
    rows = reader.query(
        "SELECT cart_key, status FROM abandoned_carts WHERE shop LIKE %s"
        " ORDER BY cart_key, generation", mine,
    ).rows  # fmt: skip
    for key, status in rows:
        found.carts[key] = RECOVERED if status == "RECOVERED" else ABANDONED
    rows = reader.query(
        "SELECT order_key, customer_key, currency, net FROM orders"
        " WHERE shop LIKE %s AND standing = 'COUNTED' AND customer_key IS NOT NULL", mine,
    ).rows  # fmt: skip
    for key, customer, currency, net in rows:
        found.parts[key] = Part(spelled(customer), currency, 1, net)
    return found


@contextmanager
def faust_beside(
    settings: Settings, shops: Mapping[str, Shop], folder: Path
) -> Iterator[Callable[[int], Answer]]:
    """Run the Faust application beside the stages; it gives its answer once it has read so many."""
    own = folder / "answers"
    own.mkdir()
    answer.write_shops(own / "shops.jsonl", shops)
    faust_tables.create_topics(settings)
    with (own / "faust.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.answers.pipelines.faust_tables", str(own)],
            cwd=ROOT,
            env={**os.environ, **settings.environment()},
            stdout=log,
            stderr=log,
        )

    def wait(count: int) -> Answer:
        (own / "count.new").write_text(str(count))
        (own / "count.new").rename(own / "count")
        until = time.monotonic() + _FAUST_TIMEOUT
        while not (own / "answer.json").exists():
            if child.poll() is not None or time.monotonic() > until:
                tail = (own / "faust.log").read_text()[-2000:]
                raise CommandError(f"Faust gave no answer to {count} deliveries:\n{tail}")
            time.sleep(0.3)
        return answer.from_json((own / "answer.json").read_bytes())

    try:
        yield wait
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
