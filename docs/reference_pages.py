"""Sphinx extension: pages of every command and every key, made from the code when the documentation is built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOTS = {
    "cohort": (
        "features/cohort.toml",
        "Who is in the study: participants, arms, sessions, covariates and rating scales.",
    ),
    "source": ("features/NAME.toml", "What was measured: one file per source; `reader` decides which keys it has."),
    "experiment": ("experiments/NAME.toml", "What is asked: one question per file."),
}
KINDS = ("reader", "kind")
"""Keys that choose one of several tables of keys."""


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Any) -> None:
    """Write `reference/commands.md` and one `reference/KIND-keys.md` for each kind of file; only what changed."""
    from workbench.specs.schemas import file_schemas

    folder = Path(app.srcdir, "reference")
    folder.mkdir(exist_ok=True)
    pages = {"commands": command_page()}
    pages |= {f"{kind}-keys": key_page(kind, schema) for kind, schema in file_schemas().items()}
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# ----------------------------------------------------------------------------------------------------------- commands


def command_page() -> str:
    """Every command with its arguments, options and examples, as its ``--help`` has them."""
    import typer.main

    import workbench.cli.study_commands
    import workbench.cli.trial_commands  # noqa: F401 - these two register the commands
    from workbench.cli.options import app

    group: Any = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "`workbench COMMAND --help` prints the same. Exit codes: 0 done, 2 something that you can mend (one line each:",
        "where, what was found, what to do), 1 a mistake of ours, 130 stopped with Ctrl-C.",
        "`workbench --install-completion` lets the Tab key complete commands, options, experiments and runs.",
        "",
    ]
    for name, command in group.commands.items():
        if not command.hidden:
            lines += _command(name, command)
    return "\n".join(lines).rstrip() + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    described, _, examples = (command.help or "").partition("\b")
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join(_in_usage(each) for each in arguments)
    yield from ("", f"## workbench {name}", "", *_paragraphs(described))
    yield from ("", "```text", f"workbench {name} [OPTIONS] {usage}".rstrip(), "```", "")
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    if shown:
        yield from ("| option | meaning |", "| --- | --- |")
        yield from (f"| {_names(each)} | {_cell(getattr(each, 'help', '') or '')}{_default(each)} |" for each in shown)
        yield ""
    lines = [line.strip() for line in examples.splitlines() if line.strip() and line.strip() != "Examples:"]
    if lines:
        yield from ("Examples:", "", "```text", *lines, "```", "")


def _in_usage(argument: Any) -> str:
    shown = (argument.metavar or argument.name).upper().strip("[]")
    shown = shown.removesuffix("...") + ("..." if argument.nargs == -1 else "")
    return shown if argument.required else f"[{shown}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_in_usage(parameter)}`"
    shown = ", ".join(f"`{name}`" for name in parameter.opts)
    value = "" if getattr(parameter, "is_flag", False) else f" `{parameter.metavar or 'VALUE'}`"
    return shown + value


def _default(parameter: Any) -> str:
    value = getattr(parameter, "default", None)
    if value in (None, False, "", ()) or callable(value) or parameter.required or str(value) == ".":
        return ""
    return f" Default: `{value}`."


# --------------------------------------------------------------------------------------------------------------- keys


def key_page(kind: str, schema: Mapping[str, Any]) -> str:
    """Every key of one kind of file: what it holds, its default, what it means."""
    title, described = ROOTS[kind]
    tables = dict(schema.get("$defs", {}))
    lines = [
        f"# Keys of {title}",
        "",
        described,
        "Unknown keys are refused, with the known one that was probably meant.",
        "",
    ]
    if "properties" in schema:
        lines += _table("", schema, tables)
    for name, table in tables.items():
        if "properties" in table:
            lines += ["", f"## {_heading(table, name)}", "", *_paragraphs(table.get("description", "")), ""]
            lines += _table(name, table, tables)
    return "\n".join(lines).rstrip() + "\n"


def _heading(table: Mapping[str, Any], name: str) -> str:
    for key in KINDS:
        constant = table["properties"].get(key, {})
        values = [constant["const"]] if "const" in constant else constant.get("enum", ())
        if values and (name.endswith("Source") or (name.endswith("Spec") and key == "kind" and len(values) == 1)):
            return " or ".join(f'`{key} = "{value}"`' for value in values)
    return f"`[{re.sub('Spec$', '', name).lower()}]`"


def _table(name: str, table: Mapping[str, Any], tables: Mapping[str, Any]) -> Iterator[str]:
    required = set(table.get("required", ()))
    yield from ("| key | holds | default | meaning |", "| --- | --- | --- | --- |")
    for key, described in table["properties"].items():
        default = "required" if key in required else _written(described.get("default"))
        meaning = described.get("description", "")
        yield f"| `{key}` | {_cell(_holds(described, tables))} | {_cell(default)} | {_cell(meaning)} |"


def _written(value: Any) -> str:
    if value is None or value == [] or isinstance(value, dict):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`"


def _holds(described: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    if "$ref" in described:
        name = described["$ref"].rsplit("/", 1)[-1]
        own = tables.get(name, {})
        return _heading(own, name).strip("`") if "properties" in own else _holds(own, tables)
    if "const" in described:
        return f'`"{described["const"]}"`'
    if "enum" in described:
        return " or ".join(f'`"{value}"`' for value in described["enum"])
    for key in ("anyOf", "oneOf"):
        if key in described:
            parts = [_holds(each, tables) for each in described[key] if each.get("type") != "null"]
            return _listed(list(dict.fromkeys(part for part in parts if part)))
    if described.get("type") == "array":
        of = _holds(described.get("items", {}), tables)
        return f"list of {of}" if of else "list"
    if described.get("type") == "object":
        of = described.get("additionalProperties")
        return f"table of {_holds(of, tables)}" if isinstance(of, dict) and _holds(of, tables) else "table"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        described.get("type", ""), ""
    )


def _listed(parts: list[str]) -> str:
    if {"text", "number"} <= set(parts):
        parts = [part for part in parts if part not in {"text", "number", "whole number", "true or false"}]
        parts.insert(0, "values")
    tables = [part for part in parts if part.startswith(tuple(f"{key} = " for key in KINDS))]
    if len(tables) > 2:
        parts = [part for part in parts if part not in tables]
        parts.append("tables of the kinds below")
    return " or ".join(parts)


# --------------------------------------------------------------------------------------------------------------- text


def _paragraphs(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        yield re.sub(r"``([^`]+)``", r"`\1`", line.strip())


def _cell(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")
