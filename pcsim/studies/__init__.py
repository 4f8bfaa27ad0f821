"""Studies: what is measured over several runs of a scenario, or computed instead of one, and how it is drawn.

Every kind is one module with `compute`, `draw` and `table` (see `kinds.Kind`), named as the word in the file.
"""

from pcsim.studies.attempts import failures_of
from pcsim.studies.file import results_of
from pcsim.studies.kinds import Kind, load_kind, require_of_run, require_of_study, rows_of, work_of
from pcsim.studies.part import Part, merge
from pcsim.studies.ranking import Best
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Row
from pcsim.studies.run import run_study
from pcsim.studies.study_runs import Group, StudyRuns, results
from pcsim.studies.work import Work

__all__ = [
    "Best",
    "Group",
    "Kind",
    "Measured",
    "Part",
    "Results",
    "Row",
    "StudyRuns",
    "Work",
    "failures_of",
    "load_kind",
    "merge",
    "require_of_run",
    "require_of_study",
    "results",
    "results_of",
    "rows_of",
    "run_study",
    "work_of",
]
