"""What the kill run kills: work on traces, what it says to be safe, and how that is looked for afterwards."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pcsim
from pcsim.runs import tracing
from pcsim.scenario import Scenario
from pcsim.studies import results_of
from pcsim.studies.file import rows_of_trace
from pcsim.studies.row_journal import read_rows, rows_path
from pcsim.trace import Trace, TraceWriter, open_trace, repair
from pcsim.trace.atomic import checkpoint_path
from pcsim.trace.beginning import Arrays, Attributes

SMALL = ["network.widths=[64, 8, 8, 10]", "data.batch=8", "trace.record=['energy', 'states']", "inference.steps=400"]
LEARNING = "learning={lr=0.01, epochs=6, batch=128}"
PATH = Path("run.h5")
tracing.HOLD_SECONDS = 0.01  # the runs here are over soon, and kills are to meet their files
CLOCKS = ("step", "training/update", "training/epoch")


def scenario(*changes: str) -> Scenario:
    return pcsim.read_scenario("train-digits", [*SMALL, *changes])


INFERENCE = pcsim.read_scenario("signal-decay", ["network.hidden={layers=3, width=8}", *SMALL[1:]])
TRAINING = scenario("inference.steps=3", LEARNING)
SWEEP = pcsim.read_scenario(
    "signal-decay", ["network.hidden={layers=3, width=8}", 'sweep={"inference.steps"=[20, 40, 60, 80]}']
)


@dataclass(frozen=True)
class Work:
    """What is killed: how it is prepared, done, and examined afterwards."""

    do: Callable[[Callable[[str], None]], None]
    examine: Callable[[Counter[str]], None]
    """Raises AssertionError where what the work said to be safe is not there."""
    prepare: Callable[[], None] = lambda: None


def flushed(say: Callable[[str], None]) -> None:
    """Have every append say which rows are safe once it has returned."""
    for name in ("append", "append_updates", "append_epochs"):
        append = getattr(TraceWriter, name)

        def saying(writer: TraceWriter, block: object, append: Callable[..., None] = append) -> None:
            append(writer, block)
            if not writer.on_disk:
                return
            for clock, rows in zip(CLOCKS, (writer.rows, writer.updates, writer.epochs), strict=True):
                say(f"{clock} {rows}")

        setattr(TraceWriter, name, saying)


def infer(say: Callable[[str], None]) -> None:
    flushed(say)
    pcsim.run(INFERENCE, path=PATH, force=True).close()


def learn(say: Callable[[str], None]) -> None:
    flushed(say)
    pcsim.run(TRAINING, path=PATH, force=True).close()


def go_on(say: Callable[[str], None]) -> None:
    flushed(say)
    pcsim.run(TRAINING, resume=PATH).close()


def sweep(say: Callable[[str], None]) -> None:
    pcsim.run(SWEEP, path=PATH, force=True, progress=lambda part, _: say(f"runs {int(part)}")).close()


def compare(say: Callable[[str], None]) -> None:
    finish = TraceWriter.finish

    def finishing(self: TraceWriter, status: str, attributes: Attributes, final: Arrays) -> Trace:
        trace = finish(self, status, attributes, final)
        say(f"{self.path} 1")
        return trace

    TraceWriter.finish = finishing
    with pcsim.compare(INFERENCE, folder=".", force=True):
        pass


def mend(say: Callable[[str], None]) -> None:
    say(f"step {repair(PATH).rows}")


def same_rows(found: Path, whole: Path, safe: Counter[str]) -> None:
    """Hold the rows of a trace against those of an undisturbed run, and count them."""
    with open_trace(found) as trace, open_trace(whole) as reference:
        for clock, rows in trace.rows_by_clock.items():
            assert rows >= safe[clock], f"{clock}: {rows} of {safe[clock]} flushed rows"
        for name in ("energy", "states/layer_0", "training/energy", "training/train_loss"):
            if name in trace:
                ours = trace.array(name)
                assert ours.tobytes() == reference.array(name)[: len(ours)].tobytes(), f"{name} differs"


def examine_rows(safe: Counter[str]) -> None:
    assert PATH.exists() or not any(safe.values()), "no trace"
    if PATH.exists():
        repair(PATH)
        same_rows(PATH, Path("../whole.h5"), safe)


def examine_training(safe: Counter[str]) -> None:
    with_checkpoint = checkpoint_path(PATH).exists()
    repair(PATH)
    same_rows(PATH, Path("../trained.h5"), safe)
    with open_trace(PATH) as trace:
        unfinished = trace.status != "complete"
    if with_checkpoint and unfinished:
        pcsim.run(TRAINING, resume=PATH).close()
        with open_trace(PATH) as trace, open_trace("../trained.h5") as reference:
            for name, array in reference.trained.items():
                assert trace.trained[name].tobytes() == array.tobytes(), f"{name} differs after resuming"


def examine_sweep(safe: Counter[str]) -> None:
    if not PATH.exists() and not rows_path(PATH).exists():
        assert not safe["runs"], "no study"
        return
    begun = [row.seconds for row in read_rows(PATH)]
    if PATH.exists():
        with open_trace(PATH) as trace:
            begun += [row.seconds for row in rows_of_trace(trace)]
    assert len(set(begun)) >= safe["runs"], f"{len(set(begun))} of {safe['runs']} runs"
    with pcsim.run(SWEEP, resume=PATH) as trace, open_trace("../swept.h5") as reference:
        assert set(begun) <= {row.seconds for row in rows_of_trace(trace)}, "a finished run was repeated"
        for name, each in results_of(reference).items():
            assert results_of(trace)[name].values.tobytes() == each.values.tobytes(), f"{name} differs after resuming"


def examine_comparison(safe: Counter[str]) -> None:
    for name in safe:
        with open_trace(name) as trace:
            assert trace.status == "complete", f"{name} is {trace.status}"


def a_killed_trace() -> None:
    shutil.copy("../killed.h5", PATH)
    shutil.copy("../killed.h5.journal", f"{PATH}.journal")


def a_killed_training() -> None:
    for end in ("", ".journal", ".checkpoint"):
        shutil.copy(f"../broken.h5{end}", f"{PATH}{end}")


WORKS = {
    "inference": Work(infer, examine_rows),
    "training": Work(learn, examine_training, lambda: pcsim.run(TRAINING, path=PATH).close()),
    "sweep": Work(sweep, examine_sweep),
    "comparison": Work(compare, examine_comparison),
    "repair": Work(mend, examine_rows, a_killed_trace),
    "resume": Work(go_on, examine_training, a_killed_training),
}
