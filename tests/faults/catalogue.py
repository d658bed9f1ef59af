"""The faults, by name."""

from dataclasses import replace

from tests import odd_worker
from tests.faults import brokers, strange_hosts, strangers, strikes, surroundings, versions
from tests.faults.fault import QUEUE_ALERTS, WORKERS, Fault
from tests.faults.poison import poison

QUICK = 20.0
"""Seconds to recover where only a worker was lost."""

WORKERS_END = frozenset({"HooklineWorkersEnd"})
REFUSED = frozenset({"HooklineDeliveriesRefused"})
SILENCE = QUEUE_ALERTS | {"HooklineNotReady", "HooklineStageAbsent"}
"""What an outage of about half a minute raises in one run and not in the next."""

FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            1,
            "kill-processor",
            "kill -9 of processors",
            strikes.killed_one("process"),
            QUICK,
            alerts=WORKERS_END,
        ),
        Fault(
            2,
            "kill-sink",
            "kill -9 of sinks",
            strikes.killed_one("sink"),
            QUICK,
            alerts=WORKERS_END,
        ),
        Fault(3, "kill-ingress", "kill -9 of the ingress", strikes.killed("ingest")),
        Fault(
            4,
            "kill-all-stages",
            "kill -9 of ingress, processors and sinks at once",
            strikes.killed("ingest", "process", "sink"),
            alerts=WORKERS_END,
        ),
        Fault(
            5, "rolling-restart", "SIGTERM of every worker in turn", strikes.rolling_restart, QUICK
        ),
        Fault(
            6,
            "freeze-processor",
            "a processor stopped for 15 s",
            strikes.frozen("process"),
            alerts=WORKERS_END,
        ),
        Fault(
            7,
            "freeze-sink",
            "a sink stopped for 15 s inside a transaction",
            strikes.frozen_in_transaction,
            alerts=WORKERS_END,
        ),
        Fault(8, "rebalances", "12 rebalances: workers join and leave", strikes.rebalances, QUICK),
        Fault(
            9,
            "storm",
            "10 of: join, SIGTERM, kill -9, SIGSTOP 15 s, overlapping",
            strikes.everything_at_once,
            alerts=WORKERS_END,
        ),
        Fault(
            10,
            "kill-broker",
            "kill -9 of Kafka",
            strikes.broker_killed,
            answers=frozenset({503}),
            alerts=REFUSED,
            may_alert=SILENCE,
        ),
        Fault(
            11,
            "freeze-broker",
            "Kafka stopped for 20 s",
            strikes.broker_frozen,
            answers=frozenset({503}),
            alerts=REFUSED,
            may_alert=SILENCE | WORKERS_END,
        ),
        Fault(12, "kill-database", "kill -9 of PostgreSQL", strikes.database_killed),
        Fault(
            13,
            "cut-connections",
            "every database session ended once a second",
            strikes.connections_cut,
        ),
        Fault(
            14,
            "registry-away",
            "the registry away during work and during starts",
            strikes.registry_away,
            alerts=WORKERS_END,
        ),
        Fault(
            15,
            "spoilt-requests",
            "a proxy drops, delays, resets and halts produce requests",
            surroundings.spoilt_requests,
            around=surroundings.behind_proxy,
            may_alert=QUEUE_ALERTS | REFUSED,
        ),
        Fault(
            16,
            "kafka-disk-full",
            "Kafka's disk full for 8 s",
            surroundings.disk_full,
            around=surroundings.kafka_on_small_disk,
            answers=frozenset({503}),
            alerts=REFUSED,
            may_alert=SILENCE | WORKERS_END,
        ),
        Fault(
            17,
            "database-disk-full",
            "PostgreSQL's disk full for 8 s",
            surroundings.disk_full,
            around=surroundings.postgres_on_small_disk,
        ),
        Fault(
            18,
            "clocks",
            "ingresses whose clocks are 5 minutes ahead and behind, processors killed",
            strikes.killed_one("process"),
            alerts=WORKERS_END,
            shape=replace(
                WORKERS,
                ingresses=2,
                entries={
                    "ingest-1": surroundings.clock(surroundings.AHEAD),
                    "ingest-2": surroundings.clock(-surroundings.AHEAD),
                },
            ),
        ),
        Fault(
            19,
            "poison",
            "1% bad deliveries of every kind, some that kill their process",
            poison,
            alerts=WORKERS_END | {"HooklineDeadLetters"},
            shape=replace(WORKERS, entries={"process": odd_worker.ENTRY}),
        ),
        Fault(
            20,
            "power-cut",
            "kill -9 of everything at once",
            strikes.power_cut,
            alerts=WORKERS_END,
            may_alert=SILENCE | REFUSED,
        ),
        Fault(
            21,
            "window-over",
            "killed before the commit, back after the window, offsets deleted",
            strikes.window_over,
            may_alert=SILENCE | WORKERS_END,  # what the killed ones left goes with the offsets
            shape=replace(WORKERS, variables={"process": {"HOOKLINE_COMMIT_INTERVAL": "3600"}}),
            window=strikes.WINDOW,
        ),
        Fault(
            22,
            "database-restored",
            "PostgreSQL restored to an older state",
            strikes.database_restored,
            may_alert=SILENCE | WORKERS_END,
        ),
        *brokers.ROWS,
        *strangers.ROWS,
        *strange_hosts.ROWS,
        *versions.ROWS,
    )
}
