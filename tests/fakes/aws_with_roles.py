"""An AWS that asks for permissions, with Airdate's queues and the roles of infrastructure/permissions.yaml.

ministack with ``AUTH=true``: roles are taken by ``sts:AssumeRole``, policies are those that the template deploys, and
each decision is written down. It lives in an environment of its own, ``var/ministack-with-auth``, made when first
needed from the hashed lock beside its ``serve.py``, and shared by later runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from tests.fakes.environment import ROOT
from tests.fakes.ports import free_port

HERE = Path(__file__).parent / "ministack_with_auth"
LOCK = HERE / "requirements.lock"
FOLDER = ROOT / "var" / "ministack-with-auth"
TEMPLATES = ROOT / "infrastructure"
ACCOUNT = "000000000000"
REGION = "us-east-1"
BUCKET = "airdate-media"
ASKED_FOR = "asked-for"
"""The prefix of roles that have what is given only where a parameter asks for it; of the same bucket."""
START_SECONDS = 60


class Keys(NamedTuple):
    """Temporary credentials, as ``sts:AssumeRole`` gives them."""

    access_key: str
    secret: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
        }


class Decision(NamedTuple):
    """What somebody asked for, and whether the policies allow it."""

    principal: str
    action: str
    resource: str
    allowed: bool


class AwsWithRoles:
    """Both stacks are deployed, and the bucket is there. Queues are known by their Celery names."""

    def __init__(self, endpoint: str, decisions: Path) -> None:
        self.endpoint = endpoint
        self._decisions = decisions
        self.urls: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self._person: Keys | None = None
        self._roles: dict[tuple[str, str], Keys] = {}

    def client(self, service: str, keys: Keys | None = None) -> Any:
        """A boto3 client with these keys, or with those of the account's owner."""
        return boto3.client(  # type: ignore[call-overload]  # the service is chosen at run time
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=keys.access_key if keys else "test",
            aws_secret_access_key=keys.secret if keys else "test",
            aws_session_token=keys.token or None if keys else None,
        )

    def take(self, role: str, *, prefix: str = "airdate") -> Keys:
        """The keys of a role, taken by the one person whom the template's parameters allow to."""
        if (prefix, role) not in self._roles:
            assert self._person is not None
            self._roles[prefix, role] = self._assume(self.role_arn(role, prefix=prefix), self._person)
        return self._roles[prefix, role]

    def _assume(self, arn: str, by: Keys) -> Keys:
        answer = self.client("sts", by).assume_role(RoleArn=arn, RoleSessionName="of-a-test")
        given = answer["Credentials"]
        return Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def role_arn(self, role: str, *, prefix: str = "airdate") -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{prefix}-{role}"

    def decisions(self, role: str, *, prefix: str = "airdate") -> list[Decision]:
        """All that was asked for with the role's keys."""
        mine = f":assumed-role/{prefix}-{role}/"
        told = (json.loads(line) for line in self._decisions.read_text().splitlines())
        return [Decision(**decision) for decision in told if mine in decision["principal"]]

    def policies(self, role: str, *, prefix: str = "airdate") -> list[dict[str, Any]]:
        """The documents of the role's policies, as they were deployed."""
        iam = self.client("iam")
        attached = iam.list_attached_role_policies(RoleName=f"{prefix}-{role}")["AttachedPolicies"]
        found = []
        for policy in attached:
            version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)
            found.append(document["PolicyVersion"]["Document"])
        return found

    def prepare(self, *, visibility_timeout: int) -> None:
        """Deploy the stacks, for a person who may take every role."""
        iam = self.client("iam")
        person = self.somebody("person")
        arn = iam.get_user(UserName="person")["User"]["Arn"]
        self._deploy("messaging", VisibilityTimeout=str(visibility_timeout))
        trusted = dict.fromkeys(("PublisherPrincipal", "OperatorPrincipal", "MachinePrincipal"), arn)
        self._deploy("permissions", MediaBucket=BUCKET, **trusted)
        self._deploy("permissions", prefix=ASKED_FOR, MediaBucket=BUCKET, PrivateFeeds="true", Polly="true", **trusted)
        self.client("s3").create_bucket(Bucket=BUCKET)
        self.urls = {
            name: f"{self.endpoint}/{ACCOUNT}/airdate-{name}"
            for queue in ("discovery", "podcast-generation", "episode-processing")
            for name in (queue, f"{queue}-dead-letters")
        }
        self._person = person

    def somebody(self, name: str) -> Keys:
        """A user who may ask for any role: whether it is given is for the role to say."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        ask = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [ask]})
        iam.put_user_policy(UserName=name, PolicyName="ask-for-roles", PolicyDocument=policy)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"], "")

    def _deploy(self, name: str, *, prefix: str = "airdate", **parameters: str) -> None:
        cloudformation = self.client("cloudformation")
        stack = f"{prefix}-{name}"
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=(TEMPLATES / f"{name}.yaml").read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {"Prefix": prefix, **parameters}.items()
            ],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        missing = [each["LogicalResourceId"] for each in resources if not each.get("PhysicalResourceId")]
        assert resources, stack
        assert not missing, f"{stack}: {missing}"
        [told] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if prefix == "airdate":
            self.outputs |= {output["OutputKey"]: output["OutputValue"] for output in told.get("Outputs", [])}


@contextmanager
def aws_with_roles(folder: Path, *, visibility_timeout: int = 60) -> Iterator[AwsWithRoles]:
    """Serve it, prepared; what is decided is written into the folder."""
    decisions, port = folder / "decisions.jsonl", free_port()
    decisions.touch()
    with tempfile.TemporaryFile() as said:
        # It ends when its standard input does: with us, however we end.
        process = subprocess.Popen(
            [_python(), HERE / "serve.py", str(port), decisions], stdin=subprocess.PIPE, stdout=said, stderr=said
        )
        try:
            last = time.monotonic() + START_SECONDS
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > last:
                    said.seek(0)
                    raise AssertionError(f"ministack did not start: {said.read().decode()[-3000:]}")
                time.sleep(0.05)
            served = AwsWithRoles(f"http://127.0.0.1:{port}", decisions)
            served.prepare(visibility_timeout=visibility_timeout)
            yield served
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _python() -> Path:
    """The interpreter of ministack's environment, which is made first if it is missing or the lock has changed."""
    made_from = FOLDER / "made-from"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    FOLDER.parent.mkdir(exist_ok=True)
    with FOLDER.with_suffix(".lock").open("a") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not made_from.exists() or made_from.read_text(encoding="ascii") != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
            pip = [FOLDER / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
            made_from.write_text(wanted, encoding="ascii")
    return FOLDER / "bin" / "python"


def queue_of(resource: str) -> str:
    """The Celery name of the queue that an ARN names, or the ARN itself."""
    return resource.rpartition(":airdate-")[2] or resource


def granted(documents: list[dict[str, Any]]) -> set[str]:
    """Each action that some statement of these policies allows."""
    statements: list[Mapping[str, Any]] = [each for document in documents for each in document["Statement"]]
    listed = [statement["Action"] for statement in statements]
    return {action for each in listed for action in ([each] if isinstance(each, str) else each)}
