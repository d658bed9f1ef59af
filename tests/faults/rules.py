"""The rules that can be broken: each one line of code, its swap, and the tests that guard it."""

from dataclasses import dataclass

STORE = "tests/integration/test_sink_store.py"
INDEX = "tests/unit/processors/index/test_partition_index.py"
VERDICTS = "tests/unit/processors/test_decide.py"
STAGE = "tests/unit/processors/test_agent.py"
KILLS = "tests/unit/processors/test_prefix_kill.py"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``says``: what goes wrong without it. ``catchers``: arguments for pytest."""

    name: str
    says: str
    path: str
    line: str
    broken: str
    catchers: tuple[str, ...]


RULES = (
    Rule(
        "as-of",
        "a replay is compared with outcomes after it",
        "processors/index/run_set.py",
        "    at = bisect_left(entries, below, key=_OFFSET)\n",
        "    at = len(entries)\n",
        (INDEX, KILLS),
    ),
    Rule(
        "canonical-claims",
        "a dead letter makes the sender's retry a duplicate",
        "processors/index/partition_index.py",
        "        if not outcome.is_canonical:\n",
        "        if outcome.slot == 'duplicate':\n",
        (INDEX, VERDICTS, KILLS),
    ),
    Rule(
        "claims-of-the-batch",
        "what repeats a record of its own batch counts twice",
        "processors/index/batch_lookup.py",
        "        self._claimed_digests[digest] = row\n",
        "",
        (VERDICTS,),
    ),
    Rule(
        "written-by-offset",
        "after a crash the outcomes in the logs are written again",
        "processors/decide.py",
        "        if written is None or not written.is_complete:\n",
        "        if written is None or written.missing is not None:\n",
        (VERDICTS, KILLS),
    ),
    Rule(
        "begun-stays-canonical",
        "half of a delivery is written beside its dead letter",
        "processors/decide.py",
        "        if written is not None:\n            return self._complete(",
        "        if written is not None and not isinstance(\n"
        "            self._encode(self._transform(record)), Reject\n"
        "        ):\n"
        "            return self._complete(",
        (VERDICTS, KILLS),
    ),
    Rule(
        "first-list-of-slots",
        "a next adapter version changes the slots of a delivery that it found half written",
        "processors/decide.py",
        "        for slot in written.missing:\n",
        "        for slot in built if not isinstance(built, Reject) else written.missing:\n",
        (VERDICTS, KILLS),
    ),
    Rule(
        "state-is-the-latest",
        "a cart that goes A, B, A has two states",
        "processors/dedupe.py",
        "        and latest.digest == digest\n",
        "        and same is not None\n",
        ("tests/unit/processors/test_dedupe.py", VERDICTS),
    ),
    Rule(
        "append-time",
        "ages compare with the wall clock",
        "processors/dedupe.py",
        "    return appended_ms - prior.appended_ms <= window_s * 1000\n",
        '    return __import__("time").time() * 1000 - prior.appended_ms <= window_s * 1000\n',
        ("tests/unit/processors/test_dedupe.py", VERDICTS),
    ),
    Rule(
        "digest-of-the-query",
        "deliveries that differ in their query are one",
        "processors/dedupe.py",
        '    state.update(len(query).to_bytes(4, "big") + query)\n',
        "    state.update(bytes(4))\n",
        ("tests/unit/processors/test_dedupe.py",),
    ),
    Rule(
        "replays-once",
        "a dead letter replayed twice counts twice",
        "processors/decide.py",
        "            return own if is_repeat else None\n",
        "            return None\n",
        (VERDICTS, KILLS),
    ),
    Rule(
        "replay-is-no-latest-state",
        "a replay of an old state hides that the newest one is repeated",
        "processors/index/partition_index.py",
        "        if outcome.is_replay:\n",
        "        if False:\n",
        (INDEX, KILLS),
    ),
    Rule(
        "contiguous-upto",
        "what another process wrote in between is never read",
        "processors/agent.py",
        "            if group.base == index.upto[group.topic]:\n",
        "            if True:\n",
        (STAGE,),
    ),
    Rule(
        "horizon",
        "an index that begins at the commit does not recognise repeats of earlier records",
        "processors/index/recovery.py",
        "        horizon = await self._anchor(partition, due) - window_ms - HORIZON_MARGIN_MS\n",
        "        horizon = await self._anchor(partition, due) - HORIZON_MARGIN_MS\n",
        ("tests/unit/processors/index/test_recovery.py",),
    ),
    Rule(
        "trimmed-outcomes",
        "repeats are taken for new deliveries where an outcome log was trimmed",
        "processors/index/recovery.py",
        "    if start > 0 and not retention_ms > now_ms - horizon_ms:\n",
        "    if False:\n",
        ("tests/unit/processors/index/test_recovery.py",),
    ),
    Rule(
        "kept-index-of-this-log",
        "an index on disk answers for a log that was recreated",
        "processors/index/recovery.py",
        "            if not record_id or record_id != index.last.get(name):\n",
        "            if False:\n",
        ("tests/unit/processors/index/test_disk_cache.py",),
    ),
    Rule(
        "kept-index-decides-nothing-again",
        "outcomes above the commit are not in the index on disk, and are written again",
        "processors/index/partition_index.py",
        "        if self._logged:\n",
        "        if False:\n",
        (
            "tests/unit/processors/index/test_disk_cache.py",
            "tests/unit/processors/index/test_partition_index_model.py",
        ),
    ),
    Rule(
        "heartbeat",
        "a process that was stopped sends over its successor",
        "processors/agent.py",
        "            if batch.heartbeat_age() > STALE * self._settings.session_timeout:\n",
        "            if False:\n",
        (STAGE,),
    ),
    Rule(
        "outcome-before-offset",
        "a batch is acknowledged before its outcomes are safe",
        "runtime/consumer/dispatcher.py",
        "                await self._consumer.stage.handle(batch)\n",
        "                asyncio.ensure_future(self._consumer.stage.handle(batch))\n",
        ("tests/unit/runtime/consumer/test_acknowledgement.py",),
    ),
    Rule(
        "fence",
        "a stopped sink's batch is stored twice",
        "sinks/store/stored_offsets.py",
        "partition = move.number AND next_offset = move.start",
        "partition = move.number AND move.start >= 0",
        (f"{STORE}::test_a_batch_behind_the_fence_is_given_back_and_changes_nothing",),
    ),
    Rule(
        "link-locks",
        "a cart is folded without its order, and both commit",
        "sinks/store/entity_locks.py",
        "    order = sorted(keys)\n    cursor",
        "    order = [key for key in sorted(keys) if keys[key]]\n    cursor",
        (
            f"{STORE}::test_an_order_waits_for_the_cart_of_its_customer_that_is_not_committed_yet",
            f"{STORE}::test_a_cart_and_its_order_stored_at_once_end_as_one_after_the_other",
        ),
    ),
    Rule(
        "locks-of-stored-rows",
        "rows that an entity leaves are folded unlocked",
        "sinks/store/entity_locks.py",
        "    if missing:\n        raise MoreKeysError",
        "    if not locked:\n        raise MoreKeysError",
        (f"{STORE}::test_keys_of_stored_rows_are_locked_before_their_carts_are_folded",),
    ),
    Rule(
        "version-of-a-field",
        "the event that comes first wins, not the newest",
        "sinks/merge/last_writer.py",
        "key=lambda layer: layer[:2], reverse=True",
        "key=lambda layer: 0, reverse=True",
        ("tests/unit/sinks/merge/test_last_writer.py",),
    ),
    Rule(
        "fields-one-by-one",
        "what only an older event tells is lost",
        "sinks/merge/last_writer.py",
        "        if own or not merged:\n",
        "        if not merged:\n",
        ("tests/unit/sinks/merge/test_last_writer.py",),
    ),
    Rule(
        "bisect",
        "one bad record takes its batch with it",
        "sinks/store/batch_writer.py",
        "            if len(decoded) == 1:\n",
        "            if decoded:\n",
        (f"{STORE}::test_what_cannot_be_stored_is_put_aside_and_the_rest_is_stored",),
    ),
    Rule(
        "mark-after-answer",
        "a signal that never arrived counts as sent",
        "sinks/outbox/relay.py",
        "            await self._acknowledged(acknowledged)\n",
        "            await asyncio.sleep(0)\n",
        ("tests/unit/sinks/outbox/test_relay.py",),
    ),
    Rule(
        "letters-counted-once",
        "a dead letter counts twice after a commit that was not answered",
        "sinks/dead_letters/count_store.py",
        "    WHERE topic = %s AND partition = %s AND next_offset = %s\n",
        "    WHERE topic = %s AND partition = %s AND next_offset >= least(%s, 0)\n",
        ("tests/integration/test_dead_letter_counts.py",),
    ),
    Rule(
        "promise",
        "a delivery is answered 200 that Kafka never kept",
        "ingest/ingress.py",
        "        self._deadlines.watch(acknowledged, ",
        "        (lambda *given: (given[1](), given[2](None)))(acknowledged, ",
        ("tests/unit/ingest/test_ingress.py",),
    ),
)
