"""The alarms of ``infrastructure/monitoring.yaml``, as CloudWatch gets them: each parameter with its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parent.parent / "infrastructure" / "monitoring.yaml"
RUNBOOK = re.compile(r"Runbook: (?P<page>\S+)#(?P<section>[a-z0-9-]+)$")
"""Ends each alarm's description."""


@dataclass(frozen=True)
class Alarm:
    """An alarm of the template."""

    logical_id: str
    name: str
    properties: dict[str, Any]
    """As PutMetricAlarm takes them, or PutCompositeAlarm."""

    @property
    def is_composite(self) -> bool:
        """Whether it is made of others."""
        return "AlarmRule" in self.properties

    @property
    def section(self) -> str:
        """Of the runbooks: the anchor of what to do."""
        found = RUNBOOK.search(self.properties["AlarmDescription"])
        return found["section"] if found else ""


def alarms(parameters: Mapping[str, str], path: Path = TEMPLATE) -> list[Alarm]:
    """The template's alarms, with its defaults for parameters that are not given.

    Raises:
        FileNotFoundError: there is no template, as in an installed wheel.
    """
    template = read(path)
    defaults = {name: each["Default"] for name, each in template["Parameters"].items() if "Default" in each}
    values: dict[str, Any] = defaults | {"AWS::NoValue": None} | dict(parameters)
    kinds = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"}
    found = {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] in kinds}
    names = {name: _resolved(each["AlarmName"], values, template) for name, each in found.items()}
    return [
        Alarm(name, names[name], _numbers(_resolved(properties, values | names, template)))
        for name, properties in found.items()
    ]


def read(path: Path) -> dict[str, Any]:
    """A template, CloudFormation's tags as ``{tag: value}``."""
    loaded: dict[str, Any] = yaml.load(path.read_text(), _Template)  # noqa: S506 - a SafeLoader
    return loaded


class _Template(yaml.SafeLoader):
    pass


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - the template is ours
    return {tag: loader.construct_scalar(node)}


_Template.add_multi_constructor("!", _intrinsic)


def _resolved(node: Any, values: Mapping[str, Any], template: Mapping[str, Any]) -> Any:
    match node:
        case {"Ref": name}:
            return values[name]
        case {"Sub": text}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(values.get(found[1], found[0])), text)
        case {"If": [condition, yes, no]}:
            chosen = yes if _holds(template["Conditions"][condition], values, template) else no
            return _resolved(chosen, values, template)
        case dict():
            return {name: _resolved(each, values, template) for name, each in node.items()}
        case list():
            return [_resolved(each, values, template) for each in node]
        case _:
            return node


def _holds(condition: Any, values: Mapping[str, Any], template: Mapping[str, Any]) -> bool:
    match condition:
        case {"Not": [inner]}:
            return not _holds(inner, values, template)
        case {"Equals": [left, right]}:
            return bool(_resolved(left, values, template) == _resolved(right, values, template))
        case _:
            raise ValueError(f"a condition of the template that nobody reads here: {condition}")


def _numbers(properties: dict[str, Any]) -> dict[str, Any]:
    # A parameter's value is text, whatever its type.
    return properties | ({"Threshold": float(properties["Threshold"])} if "Threshold" in properties else {})
