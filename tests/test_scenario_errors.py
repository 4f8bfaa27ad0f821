"""Every mistake in a scenario is one line that says where, what was found, what is allowed and what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsim.errors import ScenarioError
from pcsim.scenario import parse_scenario, read_scenario, scenario_text
from pcsim.scenario.overrides import parse_overrides
from pcsim.scenario.read import assemble
from pcsim.scenario.sources import make_source
from pcsim.scenario.toml_text import toml_value
from tests.scenario_files import TEXT, Files, changed

JARGON = re.compile(r"pydantic|validat|Input should|Traceback|NoneType|_type|Extra inputs|literal", re.IGNORECASE)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("0.1", "-0.1", "17:13: inference.step_size: -0.1 is not allowed; give a number greater than 0"),
        (
            "0.1",
            '"0.1"',
            '17:13: inference.step_size: "0.1" is not allowed; give a number greater than 0, without quotes',
        ),
        (
            "0.1",
            "inf",
            "17:13: inference.step_size: inf is not allowed; give a number greater than 0, and a finite one",
        ),
        ("0.1", "true", "17:13: inference.step_size: true is not allowed; give a number greater than 0"),
        ("= 20", "= true", "16:9: inference.steps: true is not allowed; give a whole number, 0 or more"),
        ("= 20", "= 2.0", "16:9: inference.steps: 2.0 is not allowed; give a whole number, 0 or more"),
        (
            '"gelu"',
            '"GELU"',
            "6:14: network.activation: \"GELU\" is not allowed; did you mean 'gelu'? "
            "Give one of linear, tanh, sigmoid, relu, leaky_relu, gelu",
        ),
        (
            '"cross-entropy"',
            '"mse"',
            "15:8: inference.loss: \"mse\" is not allowed; did you mean 'squared-error'? "
            "Give one of squared-error, cross-entropy, binary-cross-entropy",
        ),
        (
            "[64, 32, 32, 10]",
            "[64, 0, 10]",
            "5:15: network.widths: 0 is not allowed; give a list of two or more sizes, as in [64, 128, 10], "
            "each a whole number, 1 or more",
        ),
        ("title", "titel", "1:1: unknown key 'titel' at the top of the file; did you mean 'title'?"),
        ("batch =", "batch_size =", "10:1: unknown key 'batch_size' in [data]; did you mean 'batch'?"),
        (
            "batch =",
            "zzz =",
            "10:1: unknown key 'zzz' in [data]; its keys are name, file, batch, shuffle, seed, slope, noise",
        ),
        ("batch =", "steps =", "10:1: 'steps' belongs in [inference]; move it there"),
        ("[data]", "[dta]", "8:1: unknown table [dta]; did you mean [data]?"),
        (
            "[data]",
            "[zzz]\n[data]",
            "8:1: unknown table [zzz]; the tables are [network], [data], [inference], [trace], [backend]",
        ),
        (
            'method = "state"\nform = "standard"\n',
            "",
            "12:1: inference.method is missing; give one of state, error, sequential, backprop",
        ),
        (
            '"digits"',
            '"npz"',
            '9:1: data.file is missing; name = "npz" reads its samples from it, as in file = "samples.npz"',
        ),
        (
            "= 3",
            "= 99999999999999999999",
            "2:8: seed: 99999999999999999999 is not allowed; give a whole number, 0 or more, that fits into 64 bits",
        ),
    ],
)
def test_one_line_for_one_mistake(files: Files, old: str, new: str, problem: str):
    assert files.problems(changed(old, new)) == [f"s.toml:{problem}"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('init = "normal"', 'network.std is missing; init = "normal" needs it, a number greater than 0'),
        (
            'init = "uniform"\nlow = 1\nhigh = 0',
            "network.low is 1.0 and network.high is 0.0; low must be the smaller one",
        ),
        ("skip = 2", "network.skip: length 2 fits no layer; 2 hidden layers allow at most 1"),
        (
            "precisions = [1]",
            "network.precisions has length 1, but the network has 2 hidden layers; give one for each, or a single number for all",
        ),
        (
            "precisions = 0",
            "network.precisions: 0 is not allowed; give a number greater than 0, or a list of one such number for each hidden layer",
        ),
        (
            'output = "sigmoid"\norder = "activation-first"',
            'network.output = "sigmoid" does not go with order = "activation-first"; write output = "linear" or order = "weights-first"',
        ),
        ("input = 64", "network.widths and network.input both give the sizes; keep one of the two ways"),
    ],
)
def test_keys_that_do_not_go_together(files: Files, lines: str, problem: str):
    (line,) = files.problems(changed("[network]\n", f"[network]\n{lines}\n"))
    assert re.sub(r"^s\.toml:\d+:\d+: ", "", line) == problem


def test_a_skip_between_unequal_layers(files: Files):
    (line,) = files.problems(changed("[64, 32, 32, 10]", "[64, 32, 31, 10]\nskip = true"))
    assert line == (
        "s.toml:6:1: network.skip: a skip of length 1 joins hidden layers 1 and 2, which have 32 and 31 units; "
        "make their widths equal"
    )


def test_losses_on_logits_and_a_sigmoid(files: Files):
    (line,) = files.problems(TEXT, "network.output=sigmoid")
    assert line == (
        '--set network.output=sigmoid: inference.loss = "cross-entropy" takes logits, but network.output = "sigmoid"; '
        'write output = "linear" in [network] or loss = "squared-error" in [inference]'
    )
    (line,) = files.problems(TEXT, "inference.predictions=fixed", "inference.form=increment")
    assert 'predictions = "fixed" does not go with form = "increment"' in line
    (line,) = files.problems(TEXT, "inference.clamp=soft")
    assert 'clamp = "soft" does not go with loss = "cross-entropy"' in line


def test_all_problems_at_once_by_position(files: Files):
    text = changed("batch = 16", "batch = 0").replace("= 3", "= -3").replace("0.1", "0") + "stpes = 3\nlos = 3\n"
    lines = files.problems(text)
    assert [int(line.split(":")[1]) for line in lines] == [2, 10, 17, 18, 19]


def test_sizes_that_are_wrong_or_missing(files: Files):
    assert files.problems(changed("widths = [64, 32, 32, 10]", "input = 64\nhidden = { layers = 2, wdith = 3 }")) == [
        "s.toml:6:1: network.output is missing; give input, hidden and output, or widths",
        "s.toml:6:24: unknown key 'wdith' in [network.hidden]; did you mean 'width'?",
    ]
    (line,) = files.problems(changed("widths = [64, 32, 32, 10]\n", ""))
    assert line.startswith("s.toml:4:1: network.widths is missing; give a list of two or more sizes")
    assert line.endswith("or input, hidden and output")
    wrong = "input = 0\nhidden = 3\noutput = 1.5"
    assert files.problems(changed("widths = [64, 32, 32, 10]", wrong)) == [
        "s.toml:5:9: network.input: 0 is not allowed; give a whole number, 1 or more",
        "s.toml:6:10: network.hidden: 3 is not allowed; give a table, as in { layers = 19, width = 128 }",
        "s.toml:7:10: network.output: 1.5 is not allowed; give a whole number, 1 or more",
    ]
    assert files.problems(TEXT, "network.hidden={layers=1, width=3}")[0] == (
        "--set network.hidden={layers=1, width=3}: network.input is missing; give input, hidden and output, or widths"
    )


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("inference.step_size=-1", "-1 is not allowed; give a number greater than 0"),
        ("inference.stepsize=1", "unknown key 'stepsize' in [inference]; did you mean 'step_size'?"),
        ("steps=1", "'steps' does not belong there; write inference.steps"),
        ("inferense.steps=1", "unknown table [inferense]; did you mean [inference]?"),
        ("steps", "--set wants key=value, as in --set inference.steps=100"),
        ("=1", "--set wants key=value, as in --set inference.steps=100"),
        ("a..b=1", "--set wants key=value, as in --set inference.steps=100"),
        ("seed=", "there is no value after '='"),
        ("seed=1\ntitle=2", '"1\\ntitle=2" is not allowed; give a whole number, 0 or more'),
        ("extends=x", "extends can only be written in a file"),
        (
            "trace.every=0",
            "0 is not allowed; give a whole number, 1 or more, or a table, as in { log = 200 }, with 2 or more",
        ),
        ("inference.stop.grad_norm=0", "0 is not allowed; give a number greater than 0"),
    ],
)
def test_overrides(files: Files, override: str, problem: str):
    assert files.problems(TEXT, override) == [f"--set {override}: {problem}"]


def test_overrides_that_are_not_toml_say_how_to_quote(files: Files):
    (line,) = files.problems(TEXT, "trace.record=[energy]")
    assert line.startswith(
        "--set trace.record=[energy]: [energy] is not a TOML value; write it as in a file, in single"
    )


def test_options(files: Files):
    source = files.write(TEXT)
    with pytest.raises(
        ScenarioError, match=r"^--precision float33: \"float33\" is not allowed; did you mean 'float32'"
    ):
        read_scenario(source, precision="float33")
    with pytest.raises(ScenarioError, match=r"^--seed -1: -1 is not allowed"):
        read_scenario(source, seed=-1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("method = state", '1:10: state needs quotes; write "state"'),
        ("a = True # yes", "1:5: True is not TOML; write true, in small letters"),
        ("a = .5", "1:5: .5 is not TOML; write digits on both sides of the point"),
        ("a = 0,1", "1:6: 0,1 is not TOML; write a point, 0.1"),
        ("a = 007", "1:6: 007 is not TOML; a number does not begin with 0"),
        ("a = “x”", "1:5: “x” is not TOML; use straight quotes"),
        ("a =", "1:4: there is no value after '='"),
        ("a = 'x", "1:7: a quote is opened and not closed"),
        ('a = "x\nb = 1', "1:7: a quote is opened and not closed"),
        ("a = 'x\nb = 1", "1:7: a quote is opened and not closed"),
        ("a = [1,\n2", "2:2: a list is not closed; it ends with ]"),
        ("a = { b = 1", "1:12: a table is not closed; it ends with }"),
        ("[a", "1:3: a table's name is not closed; write it as [inference], on a line of its own"),
        ("a: 1", "1:2: this is not TOML: a: 1; write key = value, a [table], or # before a comment"),
        (
            'a = "C:\\Users"',
            "1:10: a backslash has a meaning of its own inside double quotes; use single quotes, or double it",
        ),
        ("a = 1\n\na = 2", "3:1: a is written a second time (first on line 1); keep one"),
        ("[a]\n[b]\n[a]", "3:1: a is written a second time (first on line 1); keep one"),
        ("a = 1\na.b = 2\nc = 3", "2:8: this key has a value or a finished table already; keep one"),
    ],
)
def test_what_is_not_toml(files: Files, text: str, problem: str):
    assert files.problems(text) == [f"s.toml:{problem}"]


def test_hostile_files(files: Files, tmp_path: Path):
    assert files.problems("") == files.problems("# nothing\n")
    assert files.problems("")[0].startswith("s.toml: the file is empty; it needs at least [network]")
    assert files.problems("a = " + "[" * 100_000) == ["s.toml: brackets are nested too deeply"]
    assert files.problems("a = " + "1" * 10_000) == ["s.toml: a number has too many digits"]
    for content, problem in (
        (b'a = 1\nb = "\xff"', "s.toml:2: the text is not UTF-8; save the file as UTF-8"),
        (b"\x89HDF\r\n\x1a\n\xff", "s.toml: this is an HDF5 file, such as a trace, not a scenario"),
    ):
        (tmp_path / "s.toml").write_bytes(content)
        with pytest.raises(ScenarioError) as caught:
            read_scenario("s.toml")
        assert caught.value.problems == [problem]


def message(source: str | Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(source)
    return str(caught.value)


def test_files_that_are_not_there(files: Files, tmp_path: Path):
    files.write(TEXT, "decay.toml")
    assert message("dekay.toml") == "dekay.toml: there is no such file; did you mean 'decay.toml'?"
    assert message("decay") == "decay: there is no such file; did you mean 'decay.toml'?"
    assert message(tmp_path / "dekay.toml").endswith(f"did you mean '{tmp_path}/decay.toml'?")
    assert message("signal-decya").endswith("did you mean 'signal-decay', which ships with pcsim?")
    assert "the scenarios that ship are" in message("zzz/zzz.toml")
    assert message(tmp_path) == f"{tmp_path}: this is a folder; name a scenario file in it"


def test_extends(files: Files):
    files.write(TEXT.replace("0.1", "-1"), "base.toml")
    assert files.problems('extends = "base.toml"\n[inference]\nsteps = -2') == [
        "base.toml:17:13: inference.step_size: -1 is not allowed; give a number greater than 0",
        "s.toml:3:9: inference.steps: -2 is not allowed; give a whole number, 0 or more",
    ]
    assert files.problems('extends = "bsae.toml"') == [
        "s.toml:1:1: extends = \"bsae.toml\": there is no such file; did you mean 'base.toml'?"
    ]
    assert files.problems("extends = 3") == [
        's.toml:1:1: extends: 3 is not allowed; give the path of another scenario, as in extends = "base.toml"'
    ]
    files.write('extends = "s.toml"', "base.toml")
    assert files.problems('seed = 1\nextends = "./base.toml"') == [
        "base.toml:1:1: extends goes in a circle: s.toml -> base.toml -> s.toml; remove one of these extends"
    ]


def test_a_missing_table_is_told_once(files: Files):
    assert files.problems("seed = 1") == [
        "s.toml:1:1: the table [network] is missing; it needs widths and activation",
        "s.toml:1:1: the table [data] is missing; it needs name",
        "s.toml:1:1: the table [inference] is missing; it needs method and loss",
    ]
    assert files.problems("network = 3\n" + TEXT[TEXT.index("[data]") :]) == [
        "s.toml:1:11: network: 3 is not allowed; give a table: write [network] on a line of its own"
    ]
    assert len(files.problems(TEXT + "[[trace]]\nevery = 1\n")) == 1


def test_words_of_later_work_are_unknown(files: Files):
    assert "unknown table [learning]" in files.problems(TEXT + "[learning]\nlr = 1")[0]
    for line in ('solver = "heun"', "step_decay = 0.1", 'rounding = "stochastic"', 'accumulate = "float32"'):
        assert "unknown key" in files.problems(TEXT + line)[0]
    assert "is not allowed" in files.problems(changed("0.1", '"auto"'))[0]


keys = st.sampled_from(
    "title seed network data inference trace backend network.widths network.output network.output.width network.hidden "
    "network.hidden.layers network.init network.gain network.skip network.weights network.precisions data.name data.file "
    "inference.method inference.form inference.stop inference.stop.grad_norm inference.optimizer inference.loss "
    "trace.record trace.every trace.every.log backend.name backend.precision backend.precision.bits zzz network.zzz".split()
)
odd = st.recursive(
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["", "error", "normal", "mupc", "npz", "sigmoid", "adam", "soft", "{", "exact", "\n"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["log", "bits", "width", "x y"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(keys, odd), max_size=4))
def test_whatever_is_written_is_read_or_explained(pairs: list[tuple[str, Any]]):
    overrides = parse_overrides([f"{key}={toml_value(value)}" for key, value in pairs])
    try:
        scenario = assemble([make_source(TEXT, "s.toml", Path())], overrides, [])
    except ScenarioError as error:
        assert error.problems
        assert not any("\n" in line or JARGON.search(line) for line in error.problems), error
    else:
        assert parse_scenario(scenario_text(scenario)) == scenario
