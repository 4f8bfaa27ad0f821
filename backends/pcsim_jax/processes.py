"""The devices of several processes as one row, by JAX's own runtime: joined, and left in good order."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager

from pcsim.engine.processes import Group
from pcsim.errors import UsageError


@contextmanager
def joined(group: Group) -> Generator[None]:
    """Let JAX see the devices of all processes of a group, once in the life of this one.

    Raises `UsageError` where JAX is already in use, and where its processes do not meet.
    """
    # JAX warns that what is asked for below is experimental.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    processes, address = group.processes, ""
    host, _ = processes.address
    if group.leads:
        with socket.create_server((host, 0)) as free:
            address = f"{host}:{free.getsockname()[1]}"
    address = group.gather({"address": address})[0]["address"]
    # Else JAX kills this process, perhaps in the middle of a write, when it misses another one.
    jax.config.update("jax_enable_recoverability", True)
    # It would take SIGTERM for itself.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            address,
            processes.count,
            processes.number,
            cluster_detection_method="deactivate",
            coordinator_bind_address=address,
        )
    except RuntimeError as error:
        if type(error) is RuntimeError:
            line = "JAX is already in use in this Python process: share a run in a fresh one, and once"
        else:  # JAX's own kind, of a connection
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            line = f"JAX's processes did not meet at {address}: {reason}; open all ports between the machines"
        raise UsageError(line) from None
    try:
        yield
    finally:
        # The first one keeps what the others are connected to, and leaves last; with it that is gone.
        if group.leads:
            group.dismiss()
        if group.leads or group.lost() is None:
            jax.distributed.shutdown()
