#!/usr/bin/env python3
"""Write what is derived from the code: scenarios/pcsim.schema.json, docs/scenarios.md and docs/commands.md.

usage: python -m tools.pages.make_reference [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any

from pcsim.scenario import json_schema
from tools.pages.command_page import command_page
from tools.pages.derived import ROOT, refresh

INTRODUCTION = """# Scenarios: every key

One TOML file is one experiment. Unknown keys, wrong types and keys that the chosen method does not use are errors that
name file, line and column; `pcsim check` finds them without running anything, `pcsim show` prints a scenario with
everything resolved, and `--set table.key=value` overrides any key. `extends = "base.toml"` lays a file over another.

Put `#:schema ./pcsim.schema.json` on the first line and run `pcsim schema > pcsim.schema.json`, and editors with TOML
support complete and check the keys.

This page is written by `tools/pages/make_reference.py` from the model that checks the files.
"""


LISTED = {"LayerTable": "Entries of `network.layers`", "Add": "`add` of a layer"}
"""Tables that stand in lists, and what is in them."""


def allowed(schema: dict[str, Any]) -> str:
    """Return what a value may be, in words."""
    if "enum" in schema:
        return " ".join(f"`{json.dumps(word)}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "anyOf" in schema or "oneOf" in schema:
        options = [allowed(option) for option in schema.get("anyOf", schema.get("oneOf", []))]
        return " or ".join(dict.fromkeys(option for option in options if option))
    if "$ref" in schema:
        return "a table"
    if schema.get("type") == "array":
        return "a list of " + allowed(schema.get("items", {}))
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "object": "a table",
    }
    kind = words.get(str(schema.get("type")), "")
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in bounds.items() if key in schema and schema[key] < 2**62]
    return f"{kind} {', '.join(limits)}".strip()


def rows(table: dict[str, Any]) -> list[str]:
    """Return the lines of a table of keys."""
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, schema in table["properties"].items():
        required = key in table.get("required", [])
        default = "required" if required else f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
        meaning = " ".join(str(schema.get("description", "")).split())
        lines.append(f"| `{key}` | {allowed(schema)} | {default} | {meaning} |".replace("`null`", ""))
    return lines


def scenario_page(schema: dict[str, Any]) -> str:
    """Return docs/scenarios.md."""
    parts = [INTRODUCTION]
    top = {**schema, "properties": {k: v for k, v in schema["properties"].items() if "$ref" not in v}}
    parts.append("## At the top\n\n" + "\n".join(rows(top)) + "\n")
    for name, entry in schema["properties"].items():
        if "$ref" in entry:
            table = schema["$defs"][entry["$ref"].rsplit("/", 1)[1]]
            parts.append(f"## `[{name}]`\n\n{entry.get('description', '')}\n\n" + "\n".join(rows(table)) + "\n")
    for name, title in LISTED.items():
        table = schema["$defs"][name]
        parts.append(f"## {title}\n\n{table['description']}\n\n" + "\n".join(rows(table)) + "\n")
    return "\n".join(parts)


def derived() -> dict[Path, str]:
    """Return the text of every derived file."""
    schema = json_schema()
    return {
        ROOT / "scenarios" / "pcsim.schema.json": json.dumps(schema, indent=2) + "\n",
        ROOT / "docs" / "scenarios.md": scenario_page(schema),
        ROOT / "docs" / "commands.md": command_page(),
    }


if __name__ == "__main__":
    sys.exit(refresh(derived(), __doc__))
