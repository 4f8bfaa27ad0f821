"""Every mistake in a scenario is one line that says where, what was found, what is allowed and what to do."""

import re

import pytest

from pcsim.errors import ScenarioError
from pcsim.extensions import KINDS
from pcsim.scenario import read_scenario
from tests.support.scenario_files import TEXT, Files, changed


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("0.1", "-0.1", '17:13: inference.step_size: -0.1 is not allowed; give "auto" or a number greater than 0'),
        (
            "0.1",
            '"0.1"',
            '17:13: inference.step_size: "0.1" is not allowed; give "auto" or a number greater than 0, without quotes',
        ),
        (
            "0.1",
            "inf",
            '17:13: inference.step_size: inf is not allowed; give "auto" or a number greater than 0, and a finite one',
        ),
        ("0.1", "true", '17:13: inference.step_size: true is not allowed; give "auto" or a number greater than 0'),
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
            "10:1: unknown key 'zzz' in [data]; "
            "its keys are name, file, channels, scaling, task, batch, split, mask, shuffle, seed, slope, noise, "
            "samples, validation, validation_seed",
        ),
        ("batch =", "steps =", "10:1: 'steps' belongs in [inference]; move it there"),
        ("[data]", "[dta]", "8:1: unknown table [dta]; did you mean [data]?"),
        (
            "[data]",
            "[zzz]\n[data]",
            "8:1: unknown table [zzz]; the tables are [network], [data], [inference], [learning], [amortiser], "
            "[trace], [backend], [sweep], [search], [study]",
        ),
        (
            'method = "state"\nform = "standard"\n',
            "",
            f"12:1: inference.method is missing; give one of {', '.join(KINDS['inference'].shipped)}",
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
            "network.precisions has length 1, but the network has 2 hidden layers; "
            "give one for each, or a single number for all",
        ),
        (
            "precisions = 0",
            "network.precisions: 0 is not allowed; give a number greater than 0, "
            "or a list of such a number, a matrix or its diagonal for each hidden layer",
        ),
        (
            'output = "sigmoid"\norder = "activation-first"',
            'network.output = "sigmoid" does not go with order = "activation-first"; '
            'write output = "linear" or order = "weights-first"',
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
    assert line.endswith("or input, hidden and output, or layers")
    wrong = "input = 0\nhidden = 3\noutput = 1.5"
    assert files.problems(changed("widths = [64, 32, 32, 10]", wrong)) == [
        "s.toml:5:9: network.input: 0 is not allowed; give a whole number, 1 or more",
        "s.toml:6:10: network.hidden: 3 is not allowed; give a table, as in { layers = 19, width = 128 }",
        "s.toml:7:10: network.output: 1.5 is not allowed; give a whole number, 1 or more",
    ]
    unequal = changed("[64, 32, 32, 10]", "[64, 32, 16, 10]")
    assert files.problems(unequal, "network.hidden={layers=1, width=3}")[0] == (
        "--set network.hidden={layers=1, width=3}: network.input is missing; give input, hidden and output, or widths"
    )


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("inference.step_size=-1", '-1 is not allowed; give "auto" or a number greater than 0'),
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
