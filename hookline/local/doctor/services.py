"""Checks of what the stages depend on: brokers, topics, registry, database.

Each has a bound, so that a silent broker delays ``hookline doctor`` by seconds.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import psycopg
from aiokafka.errors import KafkaError
from psycopg import sql

from hookline.console.errors import error_message
from hookline.local.doctor import index_size, machine, registry_ids, strangers
from hookline.local.doctor.finding import Finding
from runtime.settings import Settings, SettingsError

_BOUND = 30.0
"""Seconds for one check of Kafka; with brokers that answer each takes a few."""
_MIN_POSTGRES = 140000

Check = Callable[[Settings], Coroutine[Any, Any, list[Finding]]]


def services(settings: Settings) -> Iterator[Finding]:
    """Check what the stages depend on: topics, brokers, registry, tables."""
    yield machine.state_folder(settings)
    yield from _kafka(settings)
    yield from _registry(settings)
    yield from _database(settings)


def _kafka(settings: Settings) -> Iterator[Finding]:
    from runtime.kafka import reasons

    answering, silent = asyncio.run(reasons.answering(settings))
    for reason in silent:
        yield Finding("kafka", "wrong", reason)
    if not answering:
        return
    # A client tries bootstrap servers in turn, 40 s each.
    settings = replace(settings, brokers=answering)
    checks: dict[str, Check] = {
        "topics": _topics,
        "brokers": _brokers,
        "contact key": _contact_key,
        "dedupe index": index_size.check,
        "committed offsets": strangers.check_offsets,
        "foreign records": strangers.check_letters,
        "deliveries": strangers.check_shops,
        "schema ids": registry_ids.check,
    }
    for subject, check in checks.items():
        findings = _bounded(subject, check, settings)
        yield from findings
        if subject == "topics" and any("is missing: run" in each.message for each in findings):
            return


def _bounded(subject: str, check: Check, settings: Settings) -> list[Finding]:
    try:
        return asyncio.run(asyncio.wait_for(check(settings), _BOUND))
    except TimeoutError:
        message = f"Kafka did not answer within {_BOUND:.0f} s: is a broker silent or overloaded?"
        return [Finding(subject, "wrong", message)]
    except Exception as error:
        if (why := error_message(error)) is None:
            raise
        return [Finding(subject, "wrong", why)]


async def _topics(settings: Settings) -> list[Finding]:
    """Compare the topics with what is declared: what is refused, then what merely differs."""
    from runtime.kafka import declared_settings, partition_counts, topic_checks, topics_admin

    found = await topics_admin.find_topics(settings)
    counts = {name: topic.partitions for name, topic in found.items()}
    problems = topic_checks.compare(found, settings)
    problems += partition_counts.added(counts, settings).values()
    problems += [
        f"{difference}: run `hookline topics configure`"
        for difference in declared_settings.differences(found, settings)
        # What is refused names its setting already.
        if not any(difference.topic in each and difference.setting in each for each in problems)
    ]
    if not problems:
        return [Finding("topics", "ok", f"exist as declared at {settings.brokers}")]
    return [Finding("topics", "wrong", problem) for problem in problems]


async def _brokers(settings: Settings) -> list[Finding]:
    from runtime.kafka import cluster_checks, topics_admin

    try:
        problems = await cluster_checks.advice(settings)
    except (KafkaError, topics_admin.TopicsError) as error:
        return [Finding("brokers", "note", f"their settings cannot be read: {error}")]
    if problems:
        return [Finding("brokers", "wrong", problem) for problem in problems]
    message = "keep acknowledged records"
    if settings.replication_factor == 1:
        message = "one copy of everything, as HOOKLINE_REPLICATION_FACTOR=1 asks"
    return [Finding("brokers", "ok", message)]


async def _contact_key(settings: Settings) -> list[Finding]:
    """Compare our key of e-mail hashes with the log's; processors of another one do not start."""
    from runtime import contact_key
    from runtime.kafka import operator_decisions
    from schemas.json_records.decisions import keys_in_force

    subject = "contact key"
    try:
        decisions = await operator_decisions.read_all(settings)
    except (KafkaError, OSError) as error:
        return [Finding(subject, "note", f"its fingerprint cannot be read: {error}")]
    keys = keys_in_force(decisions)
    found = keys[-1] if keys else None
    if not settings.contact_key:
        message = f"the log's has the fingerprint {found}" if found else "none is recorded yet"
        return [Finding(subject, "note", f"HOOKLINE_CONTACT_KEY is not set here; {message}")]
    try:
        settings.require_contact_key()
        if found is not None:
            contact_key.check(settings.contact_key, found, keys[:-1])
    except (SettingsError, contact_key.AnotherKeyError) as error:
        return [Finding(subject, "wrong", str(error))]
    if (why := contact_key.missing_before(settings, decisions)) is not None:
        return [Finding(subject, "note", why)]
    ours = contact_key.fingerprint(settings.contact_key)
    recorded = "the log's" if found else "recorded when the first processor starts"
    return [Finding(subject, "ok", f"fingerprint {ours}, {recorded}")]


def _registry(settings: Settings) -> Iterator[Finding]:
    from runtime.registry import schema_ids
    from runtime.registry.client import RegistryError

    try:
        ids = asyncio.run(schema_ids.look_up(settings))
        schema_ids.compare_with_cached(settings, ids)
    except RegistryError as error:
        yield Finding("registry", "wrong", str(error))
    else:
        message = f"{len(ids.current)} schemas at {settings.registry_url}"
        yield Finding("registry", "ok", message)


def _database(settings: Settings) -> Iterator[Finding]:
    from sinks.postgres.migrate import UnmigratedError, check_migrated

    try:
        with psycopg.connect(settings.database_url, connect_timeout=3) as connection:
            version = connection.info.server_version
        if version < _MIN_POSTGRES:
            message = f"PostgreSQL {version // 10000} is too old: use 14 or newer"
            yield Finding("database", "wrong", message)
        check_migrated(settings)
        yield from _rejects(settings)
    except psycopg.Error as error:
        message = f"{str(error).strip().splitlines()[0]}: is HOOKLINE_DATABASE_URL right?"
        yield Finding("database", "wrong", message)
    except UnmigratedError as error:
        yield Finding("database", "wrong", str(error))
    else:
        yield Finding("database", "ok", f"PostgreSQL {version // 10000}, tables of this version")


def _rejects(settings: Settings) -> Iterator[Finding]:
    """Count the records of canonical topics that the sinks could not store."""
    table = sql.Identifier(settings.sql_schema, "sink_rejects")
    query = sql.SQL("SELECT count(*) FROM {}").format(table)
    with psycopg.connect(settings.database_url, connect_timeout=3) as connection:
        row = connection.execute(query).fetchone()
    if row and row[0]:
        message = (
            f"{row[0]} records of canonical topics could not be stored (table sink_rejects has the"
            " reasons): other producers may write there, which `hookline audit` counts"
        )
        yield Finding("database", "note", message)
