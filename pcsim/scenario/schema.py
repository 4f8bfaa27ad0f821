"""The JSON Schema of scenario files, from which editors complete, explain and check them."""

from typing import Any

from pcsim.scenario.model import Scenario
from pcsim.scenario.network import Named, Sizes
from pcsim.scenario.sizes import OF_DATA
from pcsim.scenario.sweep import SWEPT

_TITLE = "pcsim scenario"
_DESCRIPTION = "One experiment with a predictive coding network."
_EXTENDS = {
    "type": "string",
    "minLength": 1,
    "description": "Another scenario file, whose keys hold unless this file has them too.",
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of scenario files.

    Required keys are asked for only where a file extends no other, for they may stand in the base.
    """
    schema = _simplified(Scenario.model_json_schema())
    definitions: dict[str, Any] = schema.pop("$defs")
    sizes = _simplified(Sizes.model_json_schema())
    definitions |= sizes.pop("$defs")
    network = definitions["NetworkTable"]["properties"]
    network["hidden"] = sizes["properties"]["hidden"]
    network["input"]["anyOf"].append({"const": OF_DATA})
    named = _simplified(Named.model_json_schema())["properties"]
    network |= {key: named[key] for key in ("architecture", "width", "statistics")}
    network["output"] = _output(network["output"], sizes["properties"]["output"])
    _describe_search(definitions["SearchTable"])
    required = {
        name: table.pop("required")
        for name, table in definitions.items()
        if name.endswith("Table") and "required" in table
    }
    properties = schema["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        "description": _DESCRIPTION,
        "type": "object",
        "additionalProperties": False,
        "properties": {"extends": _EXTENDS, **properties},
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": schema["required"], "properties": _needed(properties, required)},
        "$defs": definitions,
    }


def _describe_search(search: dict[str, Any]) -> None:
    """Let a search have keys of the scenario, by table or dotted in quotes, beside its own."""
    search["properties"] |= {name: {"description": f"Lists and ranges of {name}."} for name in SWEPT}
    search["patternProperties"] = {f"^({'|'.join(SWEPT)})\\.": {}}
    search["additionalProperties"] = False


def _output(activation: dict[str, Any], width: dict[str, Any]) -> dict[str, Any]:
    word = {key: activation[key] for key in ("enum", "type")}
    size = {key: value for key, value in width.items() if key != "description"}
    both = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"width": size, "activation": word},
    }
    return {
        "anyOf": [word, size, both],
        "default": activation["default"],
        "description": activation["description"] + " With input and hidden: the output's size, or both in a table.",
    }


def _needed(properties: dict[str, Any], required: dict[str, list[str]]) -> dict[str, Any]:
    needed: dict[str, Any] = {}
    for name, content in properties.items():
        keys = required.get(content.get("$ref", "").rpartition("/")[2], [])
        if keys:
            needed[name] = {"required": [key for key in keys if key != "widths"]}
    chains, lists = (["widths"], list(Sizes.model_fields)), (["input", "layers"], ["input", "architecture", "output"])
    ways = [*([*way, "activation"] for way in chains), *lists]
    needed["network"] = {"oneOf": [{"required": way} for way in ways]}
    return needed


def _simplified(node: Any) -> Any:
    """Return a schema without null (TOML has none) and without the titles made from names of keys."""
    if isinstance(node, list):
        return [_simplified(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _simplified(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if found.get("default", 0) is None:
        del found["default"]
    if isinstance(default := found.get("default"), dict):
        found["default"] = {key: value for key, value in default.items() if value is not None}
    if "anyOf" in found:
        found["anyOf"] = [each for each in found["anyOf"] if each != {"type": "null"}]
        if len(found["anyOf"]) == 1:
            found |= found.pop("anyOf")[0]
    return found
