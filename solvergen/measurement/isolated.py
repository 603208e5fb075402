"""The script that ``verify --isolated`` runs in a process of its own: FILE, off the network.

It imports nothing of the package before it has left the network, because Linux moves no process
that has threads already.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

NEW_NETWORK, NEW_USER = 0x40000000, 0x10000000
REFUSED = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")


def leave_network() -> str:
    """Take this process off the network; returns by what."""
    sys.addaudithook(_refuse_sockets)
    try:
        user, group = os.getuid(), os.getgid()
        if ctypes.CDLL(None).unshare(NEW_USER | NEW_NETWORK) != 0:
            return "Python's audit events alone"
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except (OSError, AttributeError):
        return "Python's audit events alone"
    return "a network of its own"


def _refuse_sockets(event: str, _: tuple[Any, ...]) -> None:
    if event in REFUSED:
        raise PermissionError(f"{event}: the file runs without network")


def main(file: str) -> int:
    """Verify, and print the report; the code to exit with."""
    kept = leave_network()
    sys.path[0] = str(Path(__file__).parents[2])
    from solvergen.errors import SolvergenError
    from solvergen.measurement import verification

    try:
        result = verification.verify(file)
    except SolvergenError as error:
        print(f"error: {' '.join(str(error).split())}")
        return 2
    print(f"{result}\nwithout network, by {kept}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
