"""Traces: what happened in a run, as HDF5 that any tool opens, written as the run goes."""

import copyreg

from pcsim.trace.beginning import Beginning
from pcsim.trace.layout import FORMAT, FORMAT_VERSION, Block, Layout
from pcsim.trace.pickling import by_path_or_content
from pcsim.trace.reader import Trace, open_trace
from pcsim.trace.repair import RepairReport, repair
from pcsim.trace.resume import resume
from pcsim.trace.training import EpochBlock, Training, UpdateBlock
from pcsim.trace.writer import TraceWriter

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Beginning",
    "Block",
    "EpochBlock",
    "Layout",
    "RepairReport",
    "Trace",
    "TraceWriter",
    "Training",
    "UpdateBlock",
    "open_trace",
    "repair",
    "resume",
]

copyreg.pickle(Trace, by_path_or_content)
