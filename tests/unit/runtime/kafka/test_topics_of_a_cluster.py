"""Brokers learn of new topics one after another; each question may reach another broker."""

from types import SimpleNamespace
from typing import Any

import pytest

from runtime.kafka import topics_admin
from runtime.kafka.topic_checks import topic_configs
from runtime.settings import Settings
from schemas.topics import ALL, ORDERS

SETTINGS = Settings(partitions=1, replication_factor=1)
UNKNOWN = 3
"""Kafka's error code for a topic that a broker does not know."""


class Brokers:
    """An admin client whose brokers answer in turn; ``knowing`` lists the topics of each."""

    def __init__(self, *knowing: frozenset[str]) -> None:
        self.knowing = list(knowing)

    def _next(self) -> frozenset[str]:
        return self.knowing.pop(0) if len(self.knowing) > 1 else self.knowing[0]

    async def describe_topics(self) -> list[dict[str, Any]]:
        partition = {"leader": 1, "replicas": [1], "isr": [1]}
        return [{"topic": name, "partitions": [partition]} for name in self._next()]

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        known = self._next()
        configs = {SETTINGS.topic(topic): topic_configs(topic, SETTINGS) for topic in ALL}
        return [
            SimpleNamespace(
                resources=[
                    (
                        0 if each.name in known else UNKNOWN,
                        "",
                        2,
                        each.name,
                        [*configs[each.name].items()],
                    )
                    for each in resources
                ]
            )
        ]


EVERY = frozenset(SETTINGS.topic(topic) for topic in ALL)
SOME = EVERY - {SETTINGS.topic(ORDERS)}
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "brokers",
    [(EVERY,), (NONE, EVERY), (SOME, SOME, EVERY), (EVERY, NONE, EVERY), (EVERY, SOME, EVERY)],
    ids=["all know", "one knows none", "one lacks one", "no settings", "settings of all but one"],
)
async def test_topics_are_looked_up_until_every_broker_asked_knows_them(
    brokers: tuple[frozenset[str], ...],
) -> None:
    found = await topics_admin._once_known(Brokers(*brokers), SETTINGS, 30.0)
    assert found.keys() == EVERY


async def test_a_topic_that_no_broker_knows_is_missing_at_last() -> None:
    found = await topics_admin._once_known(Brokers(SOME), SETTINGS, 0.2)
    assert found.keys() == SOME
