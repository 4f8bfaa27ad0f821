"""What a study does with the runs of its sweep, for whoever wants to know how long it takes."""

from enum import Enum


class Work(Enum):
    """What a kind of study does; the constant `WORK` of its module."""

    RUNS = "every run, whole"
    ONCE = "the training of the scenario without its sweep, once, then inference of every run"
    OTHER = "something of its own"
