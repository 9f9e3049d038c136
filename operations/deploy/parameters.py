"""What a template asks, and who answers: the command line, the settings, other stacks, what held before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from podcasting.errors import Permanent
from settings import settings


class _Loader(yaml.SafeLoader):
    """Reads what a template declares; CloudFormation's tags, which stand in what it makes, become nothing."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


@dataclass(frozen=True)
class Declared:
    """What a template asks and tells."""

    parameters: Mapping[str, str | None]
    """The default of each parameter, or None where there is none."""

    outputs: frozenset[str]

    @classmethod
    def by(cls, template: str) -> Declared:
        """What a template's text declares."""
        read = yaml.load(template, Loader=_Loader)  # noqa: S506 - a SafeLoader
        defaults = {name: each.get("Default") for name, each in read.get("Parameters", {}).items()}
        return cls(
            {name: None if default is None else str(default) for name, default in defaults.items()},
            frozenset(read.get("Outputs", {})),
        )


def of_settings(prefix: str) -> dict[str, str]:
    """What the settings say that workers are told too, so that both agree."""
    return {
        "Prefix": prefix,
        "VisibilityTimeout": str(settings().visibility_timeout),
        "ShutdownSeconds": f"{settings().shutdown_seconds:.0f}",
    }


@dataclass(frozen=True)
class Filled:
    """The parameters of a stack, as CloudFormation takes them, and which of them keep an older value."""

    values: list[dict[str, Any]]
    kept: Sequence[str]


class Unanswered(Permanent):
    """A parameter has no value; ``names`` says which."""

    def __init__(self, part: str, names: Sequence[str]) -> None:
        options = " ".join(f"--param {name}=…" for name in names)
        super().__init__(f"{part}: no value for {', '.join(names)}; give {options} (infrastructure/{part}.yaml)")
        self.names = names


def filled(
    part: str,
    wanted: Mapping[str, str | None],
    *,
    chosen: Mapping[str, str],
    told: Mapping[str, str],
    before: Mapping[str, str],
) -> Filled:
    """The value of each parameter that is ``wanted``, by name and default.

    That is as ``chosen``, else as ``told``, else as it was ``before``, else its default.

    Raises:
        Unanswered: one has none of them.
    """
    values: list[dict[str, Any]] = []
    kept, missing = [], []
    for name, default in wanted.items():
        value = chosen.get(name, told.get(name))
        if value is not None:
            values.append({"ParameterKey": name, "ParameterValue": value})
        elif name in before:
            values.append({"ParameterKey": name, "UsePreviousValue": True})
            if before[name] != default:
                kept.append(f"{name}={before[name]}")
        elif default is None:
            missing.append(name)
    if missing:
        raise Unanswered(part, missing)
    return Filled(values, kept)
