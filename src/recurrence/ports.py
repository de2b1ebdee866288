"""Is a port of this machine free? Servers of ours are on the loopback address alone."""

import socket

from recurrence.errors import RecurrenceError

HOST = "127.0.0.1"


def check_free(port: int, another: str) -> None:
    """Raise RecurrenceError where it is taken, or none; `another` is the command that uses another
    one.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except (OSError, OverflowError) as error:
        raise RecurrenceError(
            f"port {port} on {HOST}: {error}; choose another: {another}"
        ) from error
