"""How long a run takes by the clock on the wall, and how much of that on a processor."""

import time


class Clock:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, str | int | float]:
        """Return both in seconds, as root attributes; of all threads the time on a processor."""
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        return {"wall_seconds": wall, "processor_seconds": processor}
