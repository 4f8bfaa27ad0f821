"""Resolved text that can be read again, and the JSON Schema for editors."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsim.scenario import json_schema, list_scenarios, parse_scenario, read_scenario, scenario_text
from pcsim.scenario.toml_text import quoted, toml_line, toml_value
from pcsim.scenario.words import file_words
from tests.support.scenario_files import TEXT, Files, changed

FLOW = changed("steps = 20\nstep_size = 0.1\n", 'solver = "heun"\n')
VARIANTS = [
    TEXT,
    TEXT.replace('"state"\nform = "standard"', '"backprop"').replace("steps = 20\nstep_size = 0.1\n", ""),
    changed("gelu", "leaky_relu") + '\noptimizer = "adam"\neps = 1e-12\nstop = { grad_norm = 1e-300 }',
    changed('"cross-entropy"', '"squared-error"') + 'clamp = "soft"\n[trace]\nevery = { log = 7 }\nrecord = []',
    changed("[data]", 'weights = "we\\"ird/wé.npz"\nprecisions = [1, 2]\nskip = 1\n[data]'),
    changed("[data]", 'init = "uniform"\nlow = -0.5\nhigh = 1e-3\n[data]').replace("digits", "gaussian-line"),
    changed("[64, 32, 32, 10]", str([7] * 300)) + '[backend]\nname = "exact"\nprecision = { bits = 77 }',
    FLOW + "t_end = 20\natol = 1e-40",
    FLOW + "step_size = 0.1\nnoise = 0.5\nsave_at = [0, 1e-3, 7]\nstop = { grad_norm = 1e-6 }",
    FLOW.replace("heun", "radau") + "save_at = { log = [1e-2, 20, 200] }",
    changed("A small one", "tab\\t, line\\nbreak, \\u007f and \\\\ and ε"),
]


@pytest.mark.parametrize("text", VARIANTS)
def test_resolved_text_reads_as_the_same_scenario(text: str):
    scenario = parse_scenario(text)
    resolved = scenario_text(scenario)
    assert parse_scenario(resolved, Path("/elsewhere")) == scenario
    assert scenario_text(parse_scenario(resolved)) == resolved
    assert max(map(len, resolved.splitlines())) <= 120


def test_resolved_text_reads_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text = scenario_text(Files(tmp_path).read(TEXT, "network.weights=w.npz", "network.skip=true"))
    lines = text.splitlines()
    assert lines[:6] == [
        'title = "A small one"',
        "seed = 3",
        "",
        "[network]",
        "widths = [64, 32, 32, 10]",
        'activation = "gelu"',
    ]
    assert f'weights = "{tmp_path}/w.npz"' in lines
    assert "skip = true" in lines
    assert not any(line.startswith(("init", "gain", "negative_slope", "momentum", "slope")) for line in lines)


def test_shipped_scenarios_read_and_resolve():
    shipped = list_scenarios()
    assert shipped
    for name, title in shipped:
        scenario = read_scenario(name)
        assert scenario.title == title != ""
        assert scenario.notes == ()
        assert parse_scenario(scenario_text(scenario)) == scenario


values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_written_values_are_toml(value: Any):
    assert tomllib.loads(f"v = {toml_value(value)}") == {"v": value}
    assert tomllib.loads(toml_line("v", value)) == {"v": value}


def test_long_values_are_cut_in_messages():
    assert quoted("x" * 100) == '"' + "x" * 55 + " ..."
    assert quoted([1, 2.5, True]) == "[1, 2.5, true]"


def properties(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a table in a schema, its reference followed."""
    if "$ref" in node:
        return properties(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    for each in node.get("anyOf", []):
        if found := properties(schema, each):
            return found
    return node.get("properties", {})


def check_words(schema: dict[str, Any], node: dict[str, Any], words: Any) -> None:
    found = properties(schema, node)
    assert set(found) == set(words)
    for name, inner in words.items():
        if inner is not None:
            check_words(schema, found[name].get("items", found[name]), inner)


def test_schema_knows_the_words_of_files():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["title"]
    check_words(schema, schema, file_words())
    activation = schema["$defs"]["NetworkTable"]["properties"]["activation"]
    assert activation["enum"] == ["linear", "tanh", "sigmoid", "relu", "leaky_relu", "gelu"]
    number, word = schema["$defs"]["InferenceTable"]["properties"]["step_size"]["anyOf"]
    assert number["exclusiveMinimum"] == 0
    assert word["const"] == "auto"


def test_schema_describes_every_key_and_forbids_others():
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert all("description" in key for key in schema["properties"].values())
    for table in schema["$defs"].values():
        assert table["additionalProperties"] is False
        assert all("description" in key for key in table["properties"].values())
    assert "null" not in json.dumps(schema)


def test_schema_asks_for_keys_only_where_nothing_is_extended():
    schema = json_schema()
    assert "required" not in schema
    assert schema["if"] == {"not": {"required": ["extends"]}}
    assert schema["then"]["required"] == ["network", "data", "inference"]
    assert schema["then"]["properties"]["inference"] == {"required": ["method", "loss"]}
    assert "required" not in schema["$defs"]["NetworkTable"]
