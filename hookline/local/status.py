"""The state of a running stack, for ``hookline status``."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from hookline.local import added_workers
from hookline.local.stack import memory, resident_memory
from hookline.local.up import Readiness, health_url, is_ready, readiness
from runtime.logs import without_passwords

ADDRESSES = (
    "dashboard_url",
    "ingress_url",
    "brokers",
    "registry_url",
    "reader_url",
    "data",
    "shops",
)
"""What of a running stack names where it is, in the order in which it is shown."""


def status_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Check the processes of a run.json. Times in seconds, memory in bytes, no passwords."""
    now = time.time()
    processes = [
        {
            "name": "hookline up",
            "pid": run["pid"],
            "state": "up",
            "uptime_seconds": round(now - run["started_at"], 1),
            "restarts": 0,
            "last_exit": None,
            "memory_bytes": resident_memory(run["pid"]),
        }
    ]
    for process in run["processes"]:
        is_up = process["is_running"] and psutil.pid_exists(process["pid"])
        url = health_url(process["name"], run["ports"])
        found = readiness(url) if is_up and url else Readiness(is_up)
        state = "up" if found.is_ready else "not ready" if is_up else "down"
        processes.append(
            {
                "name": process["name"],
                "pid": process["pid"],
                "state": "crash loop" if process["is_looping"] else state,
                "waits_for": found.waits_for,
                "warnings": found.warnings,
                "uptime_seconds": round(now - process["started_at"], 1) if is_up else 0.0,
                "restarts": process["restarts"],
                "last_exit": process["last_exit"],
                "memory_bytes": memory(process["pid"]) if is_up else 0,
                "log": process["log"],
            }
        )
    processes += _added(run, now)
    return {
        "running": True,
        "processes": processes,
        "memory_bytes": sum(process["memory_bytes"] for process in processes),
        **{name: without_passwords(run.get(name, "")) for name in ADDRESSES},
    }


def _added(run: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    """The workers that were started beside `hookline up`. They log to their own terminals."""
    known = {process["pid"] for process in run["processes"]}
    prefix = run["environment"].get("HOOKLINE_PREFIX", "")
    return [
        {
            "name": f"{worker.stage} (added)",
            "pid": worker.pid,
            **_readiness(worker.ports),
            "uptime_seconds": round(now - worker.started_at, 1),
            "restarts": 0,
            "last_exit": None,
            "memory_bytes": memory(worker.pid),
            "log": None,
        }
        for worker in added_workers.find(run["brokers"], prefix, known)
    ]


def _readiness(ports: Sequence[int]) -> dict[str, str]:
    answers = [is_ready(f"http://127.0.0.1:{port}/readyz") for port in ports]
    if any(ready for ready, _ in answers):
        return {"state": "up", "waits_for": ""}
    reasons = [reason for _, reason in answers] or ["it listens on no port yet"]
    return {"state": "not ready", "waits_for": "; ".join(reasons)}
