"""The state of a running stack, for ``hookline status``."""

import time
from collections.abc import Mapping
from typing import Any

import psutil

from hookline.local.stack import memory, resident_memory
from hookline.local.up import health_url, is_ready


def status_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Check the processes of a run.json. Times in seconds, memory in bytes."""
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
        ready, reason = is_ready(url) if is_up and url else (is_up, "")
        state = "up" if ready else "not ready" if is_up else "down"
        processes.append(
            {
                "name": process["name"],
                "pid": process["pid"],
                "state": "crash loop" if process["is_looping"] else state,
                "waits_for": "" if ready else reason,
                "uptime_seconds": round(now - process["started_at"], 1) if is_up else 0.0,
                "restarts": process["restarts"],
                "last_exit": process["last_exit"],
                "memory_bytes": memory(process["pid"]) if is_up else 0,
                "log": process["log"],
            }
        )
    addresses = ("ingress_url", "brokers", "registry_url", "reader_url", "data", "shops")
    return {
        "running": True,
        "processes": processes,
        "memory_bytes": sum(process["memory_bytes"] for process in processes),
        **{name: run[name] for name in addresses},
    }
