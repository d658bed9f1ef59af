"""Child processes: restarted with backoff, always stopped, never left running."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hookline.local.process import Child, free_port, is_free, reserve
from hookline.local.supervisor import (
    CRASH_LOOP,
    MAX_BACKOFF,
    STABLE_AFTER,
    State,
    Supervisor,
    backoff,
)


class Clock:
    """A clock that moves when set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def child(program: str, name: str = "child") -> Child:
        command = [sys.executable, "-c", textwrap.dedent(program)]
        made.append(Child(name, command, tmp_path / f"{name}.log"))
        return made[-1]

    yield child
    for one in made:
        one.kill()


def wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def ended(child: Child) -> bool:
    return not child.is_running


def lives(process: psutil.Process) -> bool:
    """A dead one may wait for a slow init to collect it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


SLEEP = "import time; time.sleep(600)"
READY_DEAF = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    time.sleep(600)
"""


def test_the_pause_doubles_up_to_its_bound() -> None:
    assert [backoff(n) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, MAX_BACKOFF, MAX_BACKOFF]


def test_a_crashing_child_is_started_again_after_the_pause_and_no_sooner(
    make: Callable[..., Child],
) -> None:
    clock, seen, exited = Clock(), list[list[State]](), list[State]()
    supervisor = Supervisor(seen.append, clock, exited.append)
    child = make("raise SystemExit(3)")
    supervisor.add([child])
    for restart in range(1, CRASH_LOOP + 1):
        wait_for(lambda: ended(child), "the child ends by itself")
        supervisor.tick()
        assert supervisor.states()[0].last_exit == 3
        clock.now += backoff(restart) - 0.01
        supervisor.tick()
        assert supervisor.states()[0].restarts == restart - 1
        clock.now += 0.02
        supervisor.tick()
        assert supervisor.states()[0].restarts == restart
    assert supervisor.states()[0].is_looping
    assert [states[0].restarts for states in seen] == [0, 1, 1, 2, 2, 3]
    assert [(state.name, state.last_exit) for state in exited] == [("child", 3)] * CRASH_LOOP


def test_a_child_that_was_steady_starts_with_the_shortest_pause(
    make: Callable[..., Child],
) -> None:
    clock = Clock()
    supervisor = Supervisor(clock=clock)
    child = make(SLEEP)
    supervisor.add([child])
    for _ in range(CRASH_LOOP + 1):
        clock.now += STABLE_AFTER
        child.kill()
        supervisor.tick()
        clock.now += backoff(1)
        supervisor.tick()
        assert supervisor.states()[0].is_running
    assert supervisor.states()[0].restarts == CRASH_LOOP + 1
    assert not supervisor.states()[0].is_looping


def test_a_child_that_ignores_the_polite_signal_is_killed(make: Callable[..., Child]) -> None:
    supervisor = Supervisor()
    child = make(READY_DEAF)
    supervisor.add([child])
    wait_for(lambda: "deaf" in child.log.read_text(), "the child ignores SIGTERM")
    supervisor.stop(grace=0.3)
    assert child.exit_code == -signal.SIGKILL


def test_a_child_that_listens_is_not_killed(make: Callable[..., Child]) -> None:
    supervisor = Supervisor()
    child = make(
        """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        print("listening", flush=True)
        time.sleep(600)
        """
    )
    supervisor.add([child])
    wait_for(lambda: "listening" in child.log.read_text(), "the child listens")
    supervisor.stop()
    assert child.exit_code == 7


def test_the_tier_added_last_has_ended_before_the_first_is_asked(
    make: Callable[..., Child], tmp_path: Path
) -> None:
    order = tmp_path / "order"
    program = f"""
        import signal, sys, time
        def leave(*_):
            time.sleep(float(sys.argv[2]))
            with open({str(order)!r}, "a") as out: out.write(sys.argv[1])
            sys.exit()
        signal.signal(signal.SIGTERM, leave)
        print("listening", flush=True)
        time.sleep(600)
    """
    first, last = make(program, "first"), make(program, "last")
    first.command += ["first ", "0"]
    last.command += ["last ", "0.3"]
    supervisor = Supervisor()
    supervisor.add([first])
    supervisor.add([last])
    for child in (first, last):
        wait_for(lambda child=child: "listening" in child.log.read_text(), "listening")
    supervisor.stop()
    assert order.read_text() == "last first "


def test_a_paused_child_can_be_stopped(make: Callable[..., Child]) -> None:
    child = make(SLEEP)
    child.start()
    child.signal(signal.SIGSTOP)
    child.stop(grace=10)
    assert child.exit_code == -signal.SIGTERM


def test_a_child_has_the_environment_and_the_log_it_was_given(
    make: Callable[..., Child], tmp_path: Path
) -> None:
    child = make("import os; print(os.environ['GIVEN'], len(os.environ) < 4)")
    child.environment = {"GIVEN": "this"}
    child.start()
    assert child.exits_within(20)
    assert (tmp_path / "child.log").read_text() == "this True\n"


PARENT = """
import sys, time
from pathlib import Path
from threading import Thread
from hookline.local.process import Child, free_port

children = [
    Child(name, [sys.executable, "-c", {program!r}], Path({folder!r}, name + ".log"))
    for name in ("of-main", "of-thread")
]
children[0].start()
thread = Thread(target=children[1].start)
thread.start()
thread.join()
print(*(child.pid for child in children), flush=True)
time.sleep(600)
"""


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Also those that a thread started which ended long before; also those deaf to SIGTERM."""
    program = textwrap.dedent(READY_DEAF)
    source = PARENT.format(program=program, folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        for name in ("of-main", "of-thread"):
            log = tmp_path / f"{name}.log"
            wait_for(lambda log=log: "deaf" in log.read_text(), "the child runs")
        assert all(map(lives, children))
        os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not any(map(lives, children)), "the children die")


def test_no_port_is_given_twice_by_one_process() -> None:
    given = [free_port() for _ in range(400)]
    assert 400 == len(set(given))
    assert all(free_port(*given) not in given for _ in range(10))


def test_a_reserved_port_is_no_other_processs_choice_until_this_one_ends() -> None:
    """Also while nothing listens on it: its server may be down for a while."""
    source = "from hookline.local.process import free_port, reserve; import sys, time\n"
    hold = source + "print(port := free_port(), flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        assert not reserve(port)
        assert is_free(port)
        holder.kill()
    assert reserve(port)
