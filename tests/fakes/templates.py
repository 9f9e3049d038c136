"""The templates of ``infrastructure/`` as data, with CloudFormation's own tags as ``{tag: value}``."""

from __future__ import annotations

from typing import Any

import yaml

from tests.fakes.environment import ROOT


class _Loader(yaml.SafeLoader):
    """Knows CloudFormation's tags."""


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {tag: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)


def template(name: str) -> dict[str, Any]:
    """``infrastructure/{name}.yaml``."""
    found: dict[str, Any] = _Loader((ROOT / "infrastructure" / f"{name}.yaml").read_text()).get_single_data()
    return found


def of_type(of: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The properties of a template's resources of one type, by their logical ids."""
    return {name: resource["Properties"] for name, resource in of["Resources"].items() if resource["Type"] == kind}
