"""What a scenario file means: defaults, forms that are resolved, files laid over each other, options."""

import math
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from pcsim.datasets import load_dataset
from pcsim.errors import ScenarioError
from pcsim.scenario import Bits, LogSpaced, Scenario, Stop, parse_scenario, read_scenario
from pcsim.scenario.sizes import SAMPLE_SIZES
from tests.support.scenario_files import TEXT, Files, changed

WIDTHS = "widths = [64, 32, 32, 10]"
SIZES = "input = 64\nhidden = { layers = 2, width = 32 }\noutput = 10"


def test_values_and_defaults(files: Files):
    scenario = files.read(TEXT)
    assert (scenario.title, scenario.seed, scenario.notes) == ("A small one", 3, ())
    network, inference = scenario.network, scenario.inference
    assert network.widths == (64, 32, 32, 10)
    assert (network.order, network.output, network.init) == ("weights-first", "linear", "kaiming-uniform")
    assert (network.bias, network.parametrisation, network.skip, network.weights) == (True, "standard", 0, None)
    assert (network.precisions, network.activity_decay) == (1.0, 0.0)
    assert network.gain == math.sqrt(2)
    assert (inference.start, inference.optimizer, inference.predictions) == ("feedforward", "gd", "local")
    assert (inference.clamp, inference.stop) == ("hard", None)
    assert (scenario.data.batch, scenario.data.shuffle, scenario.data.seed) == (16, False, None)
    assert (scenario.trace.record, scenario.trace.every) == (("energy", "grad_norm"), 1)
    assert (scenario.backend.name, scenario.backend.precision) == ("numpy", "float32")


def test_a_whole_number_is_a_number(files: Files):
    step_size = files.read(changed("step_size = 0.1", "step_size = 1")).inference.step_size
    assert isinstance(step_size, float)
    assert step_size == 1.0


@pytest.mark.parametrize(
    ("line", "name", "gain"),
    [
        ('init = "kaiming"', "kaiming-uniform", math.sqrt(2)),
        ('init = "xavier"', "xavier-uniform", 1.0),
        ('init = "xavier-normal"', "xavier-normal", 1.0),
        ('init = "orthogonal"', "orthogonal", 1.0),
        ('init = "orthogonal"\ngain = 2', "orthogonal", 2.0),
        ('init = "normal"\nstd = 0.1', "normal", None),
        ('init = "uniform"\nlow = -1\nhigh = 1', "uniform", None),
    ],
)
def test_initialisers_and_their_gain(files: Files, line: str, name: str, gain: float | None):
    network = files.read(changed(WIDTHS, f"{WIDTHS}\n{line}")).network
    assert (network.init, network.gain) == (name, gain)


@pytest.mark.parametrize(("word", "length"), [("false", 0), ("true", 1), ("1", 1)])
def test_skips_become_lengths(files: Files, word: str, length: int):
    skip = files.read(changed(WIDTHS, f"{WIDTHS}\nskip = {word}")).network.skip
    assert skip == length
    assert type(skip) is int


def test_a_skip_needs_equal_widths_only_where_it_sits(files: Files):
    text = changed(WIDTHS, "widths = [3, 7, 8, 7, 8, 4]\nskip = 2")
    assert files.read(text).network.skip == 2


def test_tables_within_tables(files: Files):
    tables = "[trace]\nevery.log = 50\n[backend]\nprecision = { bits = 256 }\n"
    text = f"{TEXT}stop = {{ grad_norm = 1e-6 }}\n{tables}"
    scenario = files.read(text)
    assert scenario.inference.stop == Stop(grad_norm=1e-6)
    assert scenario.trace.every == LogSpaced(log=50)
    assert scenario.backend.precision == Bits(bits=256)
    assert scenario.backend.precision_name == "{ bits = 256 }"


def test_per_layer_lists(files: Files):
    network = files.read(changed(WIDTHS, f"{WIDTHS}\nprecisions = [1, 0.5]\nactivity_decay = [0, 0.1]")).network
    assert network.precisions == (1.0, 0.5)
    assert network.activity_decay == (0.0, 0.1)


def test_a_word_recorded_twice_counts_once(files: Files):
    scenario = files.read(TEXT + '[trace]\nrecord = ["energy", "states", "energy"]')
    assert scenario.trace.record == ("energy", "states")


def test_input_hidden_output_become_widths(files: Files):
    assert files.read(changed(WIDTHS, SIZES)) == files.read(TEXT)
    no_hidden = changed(WIDTHS, "input = 64\nhidden = { layers = 0, width = 32 }\noutput = 10")
    assert files.read(no_hidden).network.widths == (64, 10)


def test_output_gives_size_and_activation(files: Files):
    sizes = SIZES.replace("output = 10", 'output = { width = 10, activation = "sigmoid" }')
    text = changed(WIDTHS, sizes).replace("cross-entropy", "squared-error")
    network = files.read(text).network
    assert (network.widths, network.output) == ((64, 32, 32, 10), "sigmoid")


def test_overrides(files: Files):
    scenario = files.read(TEXT, "inference.step_size=0.05", "inference.start=zeros", "seed = 7", "trace.every.log=9")
    assert scenario.inference.step_size == 0.05
    assert scenario.inference.start == "zeros"
    assert scenario.seed == 7
    assert scenario.trace.every == LogSpaced(log=9)
    assert files.read(TEXT, "seed=1", "seed=2").seed == 2
    assert files.read(TEXT, "title=Two words").title == "Two words"


def test_overrides_replace_either_form_of_sizes(files: Files):
    assert files.read(changed(WIDTHS, SIZES), "network.widths=[4,8,2]").network.widths == (4, 8, 2)
    assert files.read(changed(WIDTHS, SIZES), "network.hidden.layers=1").network.widths == (64, 32, 10)
    assert files.read(changed(WIDTHS, SIZES), "network.output=3").network.widths == (64, 32, 32, 3)
    both = files.read(changed(WIDTHS, SIZES), "network.output=sigmoid", "inference.loss=squared-error").network
    assert (both.widths[-1], both.output) == (10, "sigmoid")


def test_options(files: Files):
    source = files.write(TEXT)
    scenario = read_scenario(source, ["seed=1"], backend="jax", precision="float64", seed=9)
    assert (scenario.backend.name, scenario.backend.precision, scenario.seed) == ("jax", "float64", 9)
    assert read_scenario(source, precision="exact").backend.name == "exact"
    assert read_scenario(source, ["backend.name=mine"], precision="exact").backend.name == "mine"
    assert read_scenario(source, backend="mine", precision="exact").backend.name == "mine"
    assert read_scenario(source, precision="{bits = 99}").backend.precision == Bits(bits=99)


def test_on_another_backend(files: Files):
    scenario = files.read(TEXT)
    assert scenario.on() is scenario
    assert scenario.on("jax").backend.name == "jax"
    assert scenario.on(precision="float64").backend.precision == "float64"
    assert scenario.on(precision="exact").backend.name == "exact"
    assert scenario.on(precision="{ bits = 64 }").backend.precision_name == "{ bits = 64 }"
    for wrong in ("float33", "{bits", "64"):
        with pytest.raises(ScenarioError, match=r"^precision .* is not allowed; give one of exact, float16"):
            scenario.on(precision=wrong)


def test_a_file_extends_another(files: Files):
    files.write(TEXT, "base.toml")
    scenario = files.read('extends = "base.toml"\nseed = 4\n[inference]\nsteps = 5\n')
    assert (scenario.title, scenario.seed, scenario.inference.steps) == ("A small one", 4, 5)
    assert scenario.inference.step_size == 0.1


def test_extending_replaces_either_form_of_sizes(files: Files):
    files.write(TEXT, "base.toml")
    scenario = files.read(f'extends = "base.toml"\n[network]\n{SIZES.replace("32", "16")}')
    assert scenario.network.widths == (64, 16, 16, 10)
    files.write(changed(WIDTHS, SIZES), "base.toml")
    assert files.read('extends = "base.toml"\n[network]\nwidths = [3, 2]').network.widths == (3, 2)
    assert files.read('extends = "base.toml"\n[network.hidden]\nwidth = 8').network.widths == (64, 8, 8, 10)


def test_paths_start_from_the_file_that_has_them(files: Files, tmp_path: Path):
    (tmp_path / "deep").mkdir()
    base = changed(WIDTHS, f'{WIDTHS}\nweights = "w.npz"').replace('"digits"', '"npz"\nfile = "../x.npz"')
    files.write(base, "deep/base.toml")
    scenario = files.read('extends = "deep/base.toml"')
    assert scenario.network.weights == tmp_path / "deep" / "w.npz"
    assert scenario.data.file is not None
    assert scenario.data.file.resolve() == tmp_path / "x.npz"
    assert files.read('extends = "deep/base.toml"', "data.file=y.npz").data.file == tmp_path / "y.npz"
    assert files.read('extends = "deep/base.toml"', "data.file=/y.npz").data.file == Path("/y.npz")
    assert parse_scenario(base, Path("/a/b")).network.weights == Path("/a/b/w.npz")


def test_where_a_key_was_written(files: Files):
    files.write(TEXT, "base.toml")
    scenario = files.read('extends = "base.toml"\n[inference]\nsteps = 5', "seed=1")
    assert scenario.where("network.widths") == "base.toml:5:1: network.widths"
    assert scenario.where("inference.steps") == "s.toml:3:1: inference.steps"
    assert scenario.where("seed") == "--set seed=1"
    assert scenario.where("backend.name") == "backend.name"
    assert scenario.on("jax").where("seed") == "--set seed=1"


def test_a_scenario_is_a_value(files: Files):
    scenario = files.read(TEXT)
    assert scenario == parse_scenario(TEXT)
    assert hash(scenario) == hash(parse_scenario(TEXT))
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert Scenario.model_validate(scenario.model_dump()) == scenario
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 1


def test_windows_files_and_byte_order_marks(files: Files):
    source = files.folder / "s.toml"
    source.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert read_scenario(source) == parse_scenario(TEXT)


def test_the_input_follows_the_data(files: Files):
    text = changed(WIDTHS, 'input = "data"\nhidden = { layers = 2, width = 32 }\noutput = 10')
    assert files.read(text).network.widths == (64, 32, 32, 10)
    assert files.read(text, "data.name=mnist").network.widths == (784, 32, 32, 10)
    assert files.read(text, "network.input=7").network.widths == (7, 32, 32, 10)
    assert load_dataset("digits").x[0].size == SAMPLE_SIZES["digits"]
    assert load_dataset("mnist1d").x[0].size == SAMPLE_SIZES["mnist1d"]
    with pytest.raises(ScenarioError, match=r'network\.input = "data" takes the size of a sample, which is known of '):
        files.read(text, "data.name=npz", "data.file=d.npz")
