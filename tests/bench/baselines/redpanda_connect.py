"""Redpanda Connect doing the ingress's work: proof, key, idempotent acks=all, then the answer.

One thread, since it has one core.

python -m tests.bench.baselines.redpanda_connect BINARY
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from runtime.settings import Settings, from_env
from schemas.topics import WEBHOOKS
from tests.bench.bodies import CARTS, SECRET

_MAPPING = """
let proof = content().hash("hmac_sha256", "{secret}").encode("base64").string()
root = if meta("X-Spiffy-Hmac-Sha256").or("") != $proof {{ throw("no proof") }} else {{ content() }}
meta key = "{source}/{shop}/{noun}:" + this.id.string()
meta hookline_delivery = uuid_v7()
meta hookline_source = "{source}"
meta hookline_shop = "{shop}"
meta hookline_event = meta("X-Spiffy-Topic").or("")
meta hookline_received_us = timestamp_unix_micro().string()
"""


def configuration(settings: Settings) -> dict[str, Any]:
    """Its pipeline; JSON is YAML."""
    told = {"secret": SECRET, "source": CARTS.source, "shop": CARTS.shop, "noun": CARTS.noun}
    return {
        "http": {"address": f"127.0.0.1:{settings.port}"},
        "logger": {"level": "WARN"},
        "input": {"http_server": {"path": f"/hooks/{CARTS.source}/{CARTS.shop}"}},
        "pipeline": {"threads": 1, "processors": [{"mapping": _MAPPING.format(**told)}]},
        "output": {
            "reject_errored": {
                "kafka_franz": {
                    "seed_brokers": settings.brokers.split(","),
                    "topic": settings.topic(WEBHOOKS),
                    "key": "${! @key }",
                    "partitioner": "murmur2_hash",
                    "idempotent_write": True,
                    "compression": "none",
                    "max_in_flight": 64,
                    "metadata": {"include_prefixes": ["hookline_"]},
                }
            }
        },
    }


if __name__ == "__main__":
    path = Path(tempfile.mkdtemp()) / "connect.yaml"
    path.write_text(json.dumps(configuration(from_env())))
    binary = sys.argv[1]
    os.environ["GOMAXPROCS"] = "1"
    os.execv(binary, [binary, "run", str(path)])  # noqa: S606 - the operator named it
