"""Each stage with exactly the rights of `hookline acls`, and without each one of them.

A stage that lacks a right names it in one sentence, with its principal and the resource, is not
ready, and loses nothing: what was delivered meanwhile is there once it is granted.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from hookline.acls.rights import GRANTS, Right, rights
from hookline.local.process import free_port
from runtime.kafka import topics_admin
from runtime.registry import schema_ids
from runtime.settings import Settings
from schemas.envelopes import DELIVERY
from schemas.topics import (
    CANONICAL,
    CART_SIGNALS,
    DEAD_LETTERS,
    DECISIONS,
    DUPLICATES,
    ERASURES,
    OUTCOMES,
    WEBHOOKS,
    Topic,
)
from sinks.postgres.migrate import migrate
from tests import example_files
from tests.conftest import LiveStack, run_apart
from tests.pipeline import STAGES, Pipeline, Shape, prepared
from tests.raw import records
from tests.secured_kafka import PASSWORDS, Rights, SecuredKafka

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SECONDS = 150
KEY_PASSWORD = "the password of a key"
TOKEN = "a-token-of-the-rights-tests"
SHOPS = f'[[shops]]\nsource = "ciklik"\nid = "demo"\nsecrets = ["{TOKEN}"]\ncurrency = "EUR"\n'
EVENTS = {
    "hookline.carts": "abandoned_cart",
    "hookline.orders": "created_checkoutorder",
    "hookline.customers": "created_user",
    "hookline.contacts": "created_user",
    "hookline.subscriptions": "created_subscription",
    "hookline.payments": "created_checkouttransaction",
    "hookline.shipments": "created_shippingbox",
    "hookline.consents": "created_optin",
    "hookline.cart-signals": "abandoned_cart",
}
"""Topic -> the example of Ciklik's that gives a record there."""
SHORT = {
    "ingest": ["Write on the topic hookline.ingress"],
    "process": ["Write on the topic hookline.orders"],
    "sink": [
        "Describe on the group hookline.processors",
        "Write on the topic hookline.cart-signals",
    ],
}
"""Those that are taken away in every run: one for each way in which a stage finds out."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(tmp_path_factory.mktemp("rights") / "kafka", free_port())
    kafka.start()
    yield kafka
    kafka.stop()


class Scene:
    """The three stages on a broker, each a user of its own with the rights of the table.

    ``admin``: settings of who may do everything. ``sent``: deliveries that were answered 200;
    ``abandoned``: those that report an abandoned cart, each another one.
    """

    def __init__(self, broker: SecuredKafka, admin: Settings, pipeline: Pipeline) -> None:
        self.admin, self.pipeline = admin, pipeline
        self.users = {stage: Rights(broker.brokers, stage) for stage in STAGES}
        self.running: dict[str, str] = {}
        self.sent = self.abandoned = 0

    def start(self, stage: str) -> None:
        self.running[stage] = self.pipeline.join(stage)

    def stop(self, stage: str) -> None:
        self.pipeline.leave(self.running.pop(stage))

    def post(self, topic: str) -> int:
        """Make a delivery that gives a record on a topic; what the ingress answers."""
        event = EVENTS.get(topic, "created_checkoutorder")
        body = (example_files.FOLDER / "ciklik" / f"{event}.json").read_bytes()
        body = body.replace(b"1042077", b"%d" % (1042077 + self.sent))  # another cart
        if topic == DEAD_LETTERS.name:
            body = b"{"
        if topic != DUPLICATES.name:
            body += b" " * self.sent  # no repeat: its bytes are others
        answer = self._post(event, body)
        if topic == DUPLICATES.name:
            answer = max(answer, self._post(event, body))
        return answer

    def _post(self, event: str, body: bytes) -> int:
        url = f"{self.pipeline.url}/hooks/ciklik/demo/{TOKEN}/{event}"
        try:
            answer = httpx.post(url, content=body, timeout=10, trust_env=False).status_code
        except httpx.TransportError:
            return 0
        self.sent += answer == httpx.codes.OK
        self.abandoned += answer == httpx.codes.OK and event == "abandoned_cart"
        return answer

    def count(self, *topics: Topic) -> int:
        """How many records the topics hold."""
        return len(run_apart(records(self.admin, [self.admin.topic(topic) for topic in topics])))

    def settled(self) -> tuple[int, int, int]:
        """Deliveries; those with an outcome; events that the sinks have not stored."""
        names = [self.admin.topic(topic) for topic in OUTCOMES]
        found = run_apart(records(self.admin, names))
        outcomes = {dict(record.headers)[DELIVERY] for record in found}
        events = sum(record.topic in map(self.admin.topic, CANONICAL) for record in found)
        (stored,) = self.row("SELECT coalesce(sum(next_offset), 0)::int FROM {}.fences")
        return self.count(WEBHOOKS), len(outcomes), events - stored

    def row(self, query: str) -> tuple[Any, ...]:
        with psycopg.connect(self.admin.database_url) as connection:
            schema = sql.Identifier(self.admin.sql_schema)
            found = connection.execute(sql.SQL(query).format(schema)).fetchone()  # type: ignore[arg-type]
        return found or (None,)

    def refused(self, stage: str, right: Right) -> str:
        """The sentence in which a stage names the right that it lacks."""
        name = self.running[stage]
        log, wanted = self.pipeline.logs / f"{name}.log", (f"User:{stage}", right.operation)
        holder = f"{right.resource} {right.name}" if right.resource == "group" else right.name
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            text = log.read_text() if log.exists() else ""
            for line in (text + self.pipeline.unready().get(name, "")).splitlines():
                if holder in line and all(part in line for part in wanted):
                    return line
            time.sleep(0.1)
        raise AssertionError(f"{stage} without {right} says {self.pipeline.unready()}; {text}")

    def arrives(self) -> None:
        """Return once everything that was answered 200 has its outcome, and its rows."""
        self.until(lambda: self.settled() == (self.sent, self.sent, 0))

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            state = self.settled(), self.sent, self.pipeline.unready()
            assert time.monotonic() < deadline, state
            time.sleep(0.2)


@pytest.fixture
def scene(stack: LiveStack, broker: SecuredKafka, tmp_path: Path) -> Iterator[Scene]:
    """Stages that are users by password."""
    with prepared_scene(stack, broker, tmp_path, certified=()) as scene:
        yield scene


@pytest.fixture
def certified(stack: LiveStack, broker: SecuredKafka, tmp_path: Path) -> Iterator[Scene]:
    """Ingress and processors are users by certificate, the sinks by password."""
    with prepared_scene(stack, broker, tmp_path, certified=("ingest", "process")) as scene:
        yield scene


@contextmanager
def prepared_scene(
    stack: LiveStack, broker: SecuredKafka, tmp_path: Path, certified: Collection[str]
) -> Iterator[Scene]:
    """Topics, schemas, tables and rights; no stage runs yet."""
    (tmp_path / "shops.toml").write_text(SHOPS)
    admin = replace(
        stack.settings(),
        brokers=broker.brokers,
        shops_file=str(tmp_path / "shops.toml"),
        state_dir=str(tmp_path / "state"),
        partitions=1,
        session_timeout=6.0,
        heartbeat_interval=1.0,
        commit_interval=0.2,
        ingress_heartbeat=1.0,
    )
    run_apart(topics_admin.create_topics(admin))
    run_apart(schema_ids.register(admin))
    migrate(admin)
    shape = Shape(
        ingresses=0,
        processors=0,
        sinks=0,
        variables={
            stage: connection(broker, stage, is_certified=stage in certified) for stage in STAGES
        },
    )
    with prepared(admin, tmp_path / "logs", shape) as pipeline:
        pipeline.start()
        scene = Scene(broker, admin, pipeline)
        for stage in certified:
            scene.users[stage] = Rights(broker.brokers, f"CN={stage}")
        for stage, user in scene.users.items():
            user.grant(*rights(stage, admin.prefix))
        yield scene


def connection(broker: SecuredKafka, stage: str, *, is_certified: bool) -> dict[str, str]:
    """The variables by which a stage is a user of its own; a processor's key is encrypted."""
    if is_certified:
        password = KEY_PASSWORD if stage == "process" else ""
        made = broker.certified(Settings(), stage, password)
    else:
        made = broker.secured(Settings(), stage)
    names = ("HOOKLINE_BROKERS", "HOOKLINE_SECURITY_", "HOOKLINE_SASL_", "HOOKLINE_SSL_")
    return {name: value for name, value in made.environment().items() if name.startswith(names)}


def named(scene: Scene, stage: str, text: str) -> Right:
    """The right of a stage that reads so, without the prefix."""
    wanted = text.replace(" hookline.", f" {scene.admin.prefix}hookline.")
    (right,) = [each for each in rights(stage, scene.admin.prefix) if str(each) == wanted]
    return right


def without(scene: Scene, stage: str, right: Right) -> None:
    """Hold a start of a stage without one of its rights, until that is granted."""
    topic = right.name.removeprefix(scene.admin.prefix)
    if stage in scene.running:
        scene.stop(stage)
    scene.users[stage].take(right)
    if stage != "ingest":
        assert scene.post(topic) == httpx.codes.OK
    scene.start(stage)
    sentence = scene.refused(stage, right)
    assert scene.running[stage] in scene.pipeline.unready(), sentence
    if stage == "ingest":
        assert scene.post(topic) != httpx.codes.OK
    scene.users[stage].grant(right)
    scene.pipeline.wait_ready(SECONDS)
    if stage == "ingest":
        assert scene.post(topic) == httpx.codes.OK
    if topic == CART_SIGNALS.name:
        scene.until(lambda: scene.count(CART_SIGNALS) == scene.abandoned)


def test_the_stages_run_from_webhook_to_row_with_exactly_their_rights(certified: Scene) -> None:
    scene = certified
    for stage in STAGES:
        scene.start(stage)
    scene.pipeline.wait_ready(SECONDS)
    for topic in (*map(str, EVENTS), DEAD_LETTERS.name, DUPLICATES.name):
        assert scene.post(topic) == httpx.codes.OK
    scene.arrives()
    written = {topic.name: scene.count(topic) for topic in (*OUTCOMES, CART_SIGNALS)}
    assert [name for name, count in written.items() if not count] == []
    at, letters = (
        "SELECT at FROM {}.watermark",
        "SELECT sum(letters)::int FROM {}.dead_letter_counts",
    )
    scene.until(lambda: scene.row(letters) == (1,) and scene.row(at) != (None,))
    scene.pipeline.wait_ready(SECONDS)
    assert set(scene.pipeline.restarts_of().values()) == {0}
    for name in scene.running.values():
        log = (scene.pipeline.logs / f"{name}.log").read_text()
        assert [
            word for word in ("uthoriz", *PASSWORDS.values(), KEY_PASSWORD) if word in log
        ] == []


def test_a_stage_without_a_right_names_it_is_not_ready_and_loses_nothing(scene: Scene) -> None:
    for stage, texts in SHORT.items():
        for text in texts:
            without(scene, stage, named(scene, stage, text))
    scene.arrives()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_without_any_one_of_its_rights(scene: Scene, stage: str) -> None:
    """One start for each right: minutes."""
    if not os.environ.get("LONG"):
        count = len(rights(stage))
        pytest.skip(f"LONG=1 takes away each of the {count} rights of {stage}, some seconds each")
    first = [each for each in STAGES if each != stage]
    for each in first:
        scene.start(each)
    scene.pipeline.wait_ready(SECONDS)
    # Before any fingerprint is recorded: later a processor only reads it.
    for right in sorted(rights(stage, scene.admin.prefix), key=_is_not_first):
        if right.operation == "Write" and right.name.endswith(ERASURES.name):
            continue  # used only while the contact key changes
        without(scene, stage, right)
        scene.arrives()


def _is_not_first(right: Right) -> bool:
    return not (right.operation == "Write" and right.name.endswith(DECISIONS.name))


def test_the_table_names_every_stage() -> None:
    assert [*GRANTS][:3] == list(STAGES)
