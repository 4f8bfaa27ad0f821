"""Scenarios: the TOML files that describe an experiment, read, checked, written and listed.

The only place that knows the words of the files; everything else sees the frozen `Scenario`.
"""

from pcsim.scenario.amortiser import AmortiserTable
from pcsim.scenario.arithmetic import BackendTable, Bits
from pcsim.scenario.catalogue import list_scenarios
from pcsim.scenario.flow import LogTimes
from pcsim.scenario.given import Given, GivenNetwork, built_by, network_of, scenario_of
from pcsim.scenario.inference import InferenceTable
from pcsim.scenario.learning import LearningTable, RateSchedule
from pcsim.scenario.mask import Masked
from pcsim.scenario.model import DataTable, Scenario
from pcsim.scenario.network import NetworkTable
from pcsim.scenario.read import Run, parse_scenario, read_scenario, run_with, runs_of
from pcsim.scenario.relevance import ignored_key, unused_keys
from pcsim.scenario.scaling import ChannelScaling
from pcsim.scenario.schema import json_schema
from pcsim.scenario.search import Range, SearchTable
from pcsim.scenario.sources import is_piped
from pcsim.scenario.stop import Stop
from pcsim.scenario.study import StudyTable
from pcsim.scenario.trace import LogSpaced, TraceTable
from pcsim.scenario.words import homes_of
from pcsim.scenario.write import scenario_text

__all__ = [
    "AmortiserTable",
    "BackendTable",
    "Bits",
    "ChannelScaling",
    "DataTable",
    "Given",
    "GivenNetwork",
    "InferenceTable",
    "LearningTable",
    "LogSpaced",
    "LogTimes",
    "Masked",
    "NetworkTable",
    "Range",
    "RateSchedule",
    "Run",
    "Scenario",
    "SearchTable",
    "Stop",
    "StudyTable",
    "TraceTable",
    "built_by",
    "homes_of",
    "ignored_key",
    "is_piped",
    "json_schema",
    "list_scenarios",
    "network_of",
    "parse_scenario",
    "read_scenario",
    "run_with",
    "runs_of",
    "scenario_of",
    "scenario_text",
    "unused_keys",
]
