"""A data folder keeps its number of brokers; three brokers keep three copies of everything."""

from pathlib import Path

import pytest

from hookline.local.servers import cluster
from hookline.local.servers.server import LocalError
from hookline.local.stack import Stack, is_server, port_names


def _folder(path: Path, brokers: int) -> Path:
    for name in cluster.server_names(brokers):
        (path / name).mkdir()
    return path


def _stack(path: Path, brokers: int) -> Stack:
    ports = {name: 20_000 + n for n, name in enumerate(port_names(brokers))}
    return Stack(path, ports, brokers)


def test_an_empty_folder_gets_one_broker_unless_more_are_asked_for(tmp_path: Path) -> None:
    assert cluster.choose_count(tmp_path, None) == 1
    assert cluster.choose_count(tmp_path, 3) == 3


@pytest.mark.parametrize("brokers", [1, 3, 5])
def test_a_folder_goes_on_with_the_brokers_that_it_has(tmp_path: Path, brokers: int) -> None:
    assert cluster.choose_count(_folder(tmp_path, brokers), None) == brokers


@pytest.mark.parametrize(("before", "wanted"), [(1, 3), (3, 1), (3, 5)])
def test_another_number_of_brokers_is_refused_with_the_number_that_the_data_has(
    tmp_path: Path, before: int, wanted: int
) -> None:
    _folder(tmp_path, before)
    with pytest.raises(LocalError, match=f"holds the data of {before} broker.*--brokers {before}"):
        cluster.choose_count(tmp_path, wanted)


def test_two_brokers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="start 1, or 3 to 5"):
        cluster.choose_count(tmp_path, 2)


def test_three_brokers_keep_three_copies_of_which_two_acknowledge(tmp_path: Path) -> None:
    stack = _stack(tmp_path, 3)
    assert stack.brokers == "127.0.0.1:20000,127.0.0.1:20001,127.0.0.1:20002"
    voters = "1@127.0.0.1:20003,2@127.0.0.1:20004,3@127.0.0.1:20005"
    for number, kafka in enumerate(stack.kafkas, start=1):
        properties = kafka.properties()
        assert properties["node.id"] == str(number)
        assert properties["controller.quorum.voters"] == voters
        assert {properties[name] for name in properties if name.endswith("replication.factor")} == {
            "3"
        }
        assert {
            properties[name]
            for name in properties
            if name.endswith(("min.isr", "min.insync.replicas"))
        } == {"2"}
        assert kafka.directory == tmp_path / f"kafka-{number}"
    assert len({kafka.cluster_id() for kafka in stack.kafkas}) == 1
    assert _stack(tmp_path, 3).kafka.cluster_id() == stack.kafka.cluster_id()


def test_one_broker_is_what_it_was(tmp_path: Path) -> None:
    stack = _stack(tmp_path, 1)
    assert [server.name for server in stack.servers] == ["kafka", "registry", "postgres"]
    assert stack.kafka.directory == tmp_path / "kafka"
    assert stack.kafka.properties()["default.replication.factor"] == "1"
    assert stack.brokers == "127.0.0.1:20000"


def test_brokers_are_servers_and_stages_are_not() -> None:
    names = ["kafka", "kafka-2", "registry", "postgres", "sink", "process-1", "ingest"]
    assert [is_server(name) for name in names] == [True] * 4 + [False] * 3
