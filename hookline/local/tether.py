"""Runs a program that cannot outlive its parent: ``python -I -S tether.py SIGNAL PARENT USER CMD``.

The kernel sends SIGNAL to the program when its parent exits, even by kill -9 (Linux only). The
program replaces this process, so it keeps the pid and needs no extra memory. USER is ``-``, or
the account to switch to from root, for programs that refuse to run as root. That account can
still open root's files, since the data may be in a folder that only root can enter.

Started by path and without site-packages, it imports only the standard library.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _become(user: str, libc: ctypes.CDLL) -> None:
    account = pwd.getpwnam(user)
    _checked(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities")
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    mask = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable, then the same for capabilities above 31.
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _checked(libc.capset(header, data), "keep the right to open files")
    raised = libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    _checked(raised, "pass on the right to open files")


def main(arguments: Sequence[str]) -> None:
    """Replace this process by the program, or exit with the reason on stderr."""
    death_signal, parent, user, *command = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if user != "-" and os.geteuid() == 0:
            _become(user, libc)
        # After the change of user, which would clear it.
        _checked(libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0), "die with the parent")
    # It may have exited before prctl.
    if os.getppid() != int(parent):
        sys.exit("the parent has exited")
    # Python ignores these signals, and an ignored signal would stay ignored after exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - the command comes from our own process


if __name__ == "__main__":
    main(sys.argv[1:])
