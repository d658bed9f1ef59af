"""What a cluster lacks is named, each once, with what it does and the remedy."""

import pytest

from runtime.kafka.cluster_checks import broker_problems, replica_problems
from runtime.kafka.topic_checks import BrokerTopic

RIGHT: dict[str, str | None] = {
    "offsets.retention.minutes": "43200",
    "auto.create.topics.enable": "false",
    "replica.lag.time.max.ms": "30000",
}


def topic(replicas: int = 3, in_sync: int = 3, **configs: str) -> BrokerTopic:
    dotted: dict[str, str | None] = {
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
    }
    dotted |= {key.replace("_", "."): value for key, value in configs.items()}
    return BrokerTopic(4, replicas, dotted, in_sync)


def test_a_cluster_as_documented_lacks_nothing() -> None:
    assert broker_problems([RIGHT, RIGHT, RIGHT], is_replicated=True) == []
    assert replica_problems({"a": topic(), "b": topic()}) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("offsets.retention.minutes", "10080"),
        ("auto.create.topics.enable", "true"),
        ("replica.lag.time.max.ms", "60000"),
    ],
)
def test_a_wrong_setting_of_one_broker_is_named_once(setting: str, value: str) -> None:
    wrong = {**RIGHT, setting: value}
    (problem,) = broker_problems([RIGHT, wrong, wrong], is_replicated=True)
    assert problem.startswith(f"{setting}={value}, so that ")
    assert ": set it to " in problem


def test_the_replica_lag_matters_only_where_there_are_replicas() -> None:
    wrong: dict[str, str | None] = {**RIGHT, "replica.lag.time.max.ms": "60000"}
    assert broker_problems([wrong], is_replicated=False) == []


def test_a_setting_that_a_broker_does_not_give_is_not_judged() -> None:
    assert broker_problems([{}], is_replicated=True) == []


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (topic(replicas=2, in_sync=2), "fewer than 3 replicas"),
        (topic(min_insync_replicas="1"), "one replica acknowledges alone"),
        (topic(min_insync_replicas="3"), "one broker away ends all appends"),
        (topic(in_sync=1), "nothing can be appended"),
        (topic(unclean_leader_election_enable="true"), "unclean.leader.election.enable to false"),
    ],
)
def test_what_a_topic_lacks_is_named_with_the_topic(lacking: BrokerTopic, words: str) -> None:
    (problem,) = replica_problems({"fine": topic(), "lacking": lacking})
    assert words in problem
    assert problem.endswith(": lacking")
