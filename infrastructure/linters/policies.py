"""Every policy document of every template, looked at by parliament, which knows AWS's actions and resources.

Runs in the linters' environment: ``policies.py TEMPLATE…``. What a template leaves open (a parameter, another
resource) is given a value first. Prints each finding in a line; exits 1 if there is one. Trust policies are left out:
they have no Resource, without which parliament takes nothing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from parliament import analyze_policy_string

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
ARNS = {
    "AWS::SQS::Queue": "arn:aws:sqs:eu-west-1:123456789012:airdate-queue",
    "AWS::SNS::Topic": "arn:aws:sns:eu-west-1:123456789012:airdate-topic",
    "AWS::S3::Bucket": "arn:aws:s3:::airdate-media",
}
PARAMETERS = {
    "DatabaseUrlSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airdate-database-abcdef",
    "FlowerPasswordSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airdate-flower-abcdef",
    **{
        f"{name}SecretArn": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:airdate-{name.lower()}-abcdef"
        for name in (
            *("OpenAiKey", "OpenAiSpeechKey", "AnthropicKey", "GeminiKey", "ElevenLabsKey"),
            *("Notify", "WebhookUrl", "WebhookKey", "PodpingToken", "SentryDsn"),
        )
    },
}
ACCEPTED = {
    # Either parameter may be a secret of Secrets Manager or a parameter of SSM; each statement fits one of the two.
    ("compute.yaml", "SecretsOfSsm", "RESOURCE_MISMATCH"),
    # sns:Unsubscribe has a resource, the topic, in AWS's newer service reference, which cfn-lint has and goes by.
    ("permissions.yaml", "TidyTopics", "RESOURCE_MISMATCH"),
    # The resource could be narrower, and composite alarms would be left out then (the reason beside it).
    ("permissions.yaml", "Alarms", "RESOURCE_STAR"),
}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's own tags as {tag: value}."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{tag}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{tag}": loader.construct_sequence(node, deep=True)}
    raise ValueError(f"a mapping under !{tag} is not known here")


Loader.add_multi_constructor("!", _tagged)


class Template:
    """One file, with what it leaves open filled in."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._resources = Loader(path.read_text(encoding="utf-8")).get_single_data()["Resources"]

    def policies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each with where it stands."""
        for name, resource in self._resources.items():
            properties = resource.get("Properties", {})
            documents = [
                properties.get("PolicyDocument"),
                *(p["PolicyDocument"] for p in properties.get("Policies", [])),
            ]
            for document in filter(None, documents):
                yield name, self._filled(document)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            filled = [self._filled(each) for each in value]
            return [each for each in filled if each is not None]
        if not isinstance(value, dict):
            return value
        [(tag, told), *more] = value.items()
        if more or not tag.startswith("!"):
            return {key: self._filled(each) for key, each in value.items()}
        return self._intrinsic(tag, told)

    def _intrinsic(self, tag: str, told: Any) -> Any:
        match tag:
            case "!Ref" | "!GetAtt":
                return None if told == "AWS::NoValue" else self._named(told)
            case "!Sub":
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: self._named(found.group(1)), told)
            case "!If":
                [whether, otherwise] = map(self._filled, told[1:])
                return otherwise if whether is None else whether
        raise ValueError(f"{tag} is not known here")

    def _named(self, name: str) -> str:
        resource = self._resources.get(name.partition(".")[0], {})
        return PSEUDO.get(name) or PARAMETERS.get(name) or ARNS.get(resource.get("Type", "")) or name.lower()


def main() -> int:
    """Look at all; the exit code."""
    seen, found = 0, 0
    for template in map(Template, map(Path, sys.argv[1:])):
        for where, policy in template.policies():
            statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
            for statement in statements:
                seen += 1
                sid = statement.get("Sid", "")
                alone = json.dumps({"Version": policy["Version"], "Statement": [statement]})
                for finding in analyze_policy_string(alone).findings:
                    if (template.name, sid, finding.issue) not in ACCEPTED:
                        found += 1
                        print(f"{template.name}: {where} {sid}: {finding.issue} {finding.title} {finding.detail}")  # noqa: T201 - a linter's output
    print(f"parliament: {seen} statements, {found} findings")  # noqa: T201 - a linter's output
    return 1 if found or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
