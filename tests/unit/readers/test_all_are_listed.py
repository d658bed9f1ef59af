"""No reader of a topic is forgotten: each is on the list, with the property test of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.unit.readers import test_commands, test_stages

ROOT = Path(__file__).parents[3]
PACKAGES = ("hookline", "ingest", "processors", "runtime", "schemas", "sinks")
OF_LOG_READER = {"records", "batches", "first_record", "appended_at", "PartitionStreams"}
"""Functions of ``log_reader`` that give records."""
OF_ANY = {"getmany", "getone", "_getmany", "scan", "at_offsets", "PartitionStreams"}
OF_SINKS_LOG = {"read", "heartbeats", "event_id"}
"""Methods of ``sinks.log.Log`` that give records; its variables are called ``kafka``."""

READERS = {
    # Reading itself.
    "runtime/kafka/log_reader.py: PartitionStreams.fetch": "any_log",
    "runtime/kafka/log_reader.py: batches": "any_log",
    "hookline/topics/records.py: scan": "shops_traffic",
    "hookline/topics/records.py: at_offsets": "topics",
    "sinks/log.py: Log.read": "heartbeats",
    # The stages.
    "runtime/consumer/batch_consumer.py: BatchConsumer._fetch": "raw",
    "processors/index/recovery.py: IndexRecovery._anchor": "outcomes_the_index",
    "processors/index/recovery.py: IndexRecovery._catch_up": "outcomes_the_index",
    "processors/index/recovery.py: IndexRecovery._records_before": "outcomes_the_index",
    "processors/index/outcome_reader.py: require_read": "outcomes_the_index",
    "processors/index/moved_offsets.py: first_skipped": "outcomes_moved",
    "runtime/kafka/operator_decisions.py: read_all": "decisions",
    "runtime/erasures.py: LedgerReader._read": "the_ledger",
    "sinks/log.py: Log.heartbeats": "heartbeats",
    "sinks/watermark/sweep.py: Sweep._read_kafka": "heartbeats",
    "sinks/log.py: Log.event_id": "canonical_the_event_id",
    "sinks/store/log_identity.py: mismatches": "canonical_the_event_id",
    "sinks/rebuild/shadow_tables.py: ShadowTables.store": "canonical_each_record",
    "sinks/dead_letters/counter.py: LetterCounter.step": "dead_letters",
    "sinks/dead_letters/counter.py: LetterCounter._is_same_log": "canonical_the_event_id",
    "sinks/outbox/relay.py: Relay._record_sent_since": "signals",
    # The commands.
    "hookline/local/doctor/registry_ids.py: _in_use": "doctor_what",
    "hookline/local/doctor/strangers.py: _newest": "doctor_what",
    "hookline/local/doctor/strangers.py: _newest_outcomes": "doctor_what",
    "hookline/audit/reader.py: _PartitionReader.__init__": "audit",
    "hookline/audit/report.py: _plan": "losses",
    "hookline/audit/repair.py: _Repairer.settle": "topics",
    "hookline/audit/repair.py: _Repairer._index": "repair",
    "hookline/audit/losses.py: find_lost_range": "losses",
    "hookline/dead_letters/letters.py: matching": "dead_each",
    "hookline/refusals/detail.py: letter_records": "dead_one_letter",
    "hookline/refusals/sample.py: _records": "dead_a_sample",
    "hookline/dead_letters/replay_fates.py: ReplayFates.look": "dead_what_became",
    "hookline/dead_letters/replay.py: _settled": "dead_what_is_settled",
    "hookline/dead_letters/replay.py: _bodies": "topics",
    "hookline/topics/records.py: tail": "topics",
    "hookline/topics/records.py: record_at": "losses",
    "hookline/explain/source_events.py: records": "why",
    "hookline/groups/groups.py: topic_lag": "status",
    "hookline/history/outcomes.py: await_outcomes": "import",
    "hookline/history/outcomes.py: _last_slots": "import",
    "hookline/journey/logs.py: around": "journey",
    "hookline/journey/deliveries.py: at": "journey",
    "hookline/journey/deliveries.py: _of_keys": "journey",
    "hookline/listen/listening.py: read": "listen",
    "hookline/people/topic_scan.py: read_topics": "people",
    "hookline/shops/traffic.py: _since": "shops_traffic",
    "hookline/shops/payload_drift.py: compare": "shops_drift",
    "hookline/shops/payload_drift.py: _oldest": "shops_drift",
}
"""Function -> the beginning of the name of its test, after ``test_``."""


def readers(path: Path) -> Iterator[str]:
    """The functions of a module that get records from a log."""
    tree = ast.parse(path.read_text())
    owners = [(node, "") for node in tree.body]
    owners += [
        (inner, f"{node.name}.")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for inner in node.body
    ]
    for node, owner in owners:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            map(gets_records, ast.walk(node))
        ):
            yield f"{path.relative_to(ROOT)}: {owner}{node.name}"


def gets_records(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log_reader"), attr=name)):
            return name in OF_LOG_READER
        case ast.Call(func=ast.Attribute(value=owner, attr=name)):
            of_sinks = ast.unparse(owner).split(".")[-1] in ("kafka", "_kafka", "_log")
            return name in OF_ANY or (of_sinks and name in OF_SINKS_LOG)
        case ast.Call(func=ast.Name(id=name)):
            return name in OF_ANY
        case ast.AsyncFor(iter=ast.Call(func=ast.Attribute(attr="read"))):
            return True
    return False


def test_every_function_that_reads_a_topic_has_a_property_test() -> None:
    found = {
        name
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in readers(path)
    }
    assert found == set(READERS)


def test_every_property_test_of_the_list_exists() -> None:
    tests = [name for module in (test_stages, test_commands) for name in vars(module)]
    for reader, beginning in READERS.items():
        assert any(name.startswith(f"test_{beginning}") for name in tests), reader
