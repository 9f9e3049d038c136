"""The environment, validated, in one object.

Imported by the edges only: ``celeryconfig``, ``beat_schedule``, ``tasks`` and ``operations``.

With nothing set, Airdate runs embedded: SQLite and files under ``var/``, AWS by moto's server on
loopback. As soon as a queue URL is set it is production, and what production needs must be set too.
Every variable is described in ``.env.example``.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import click
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from podcasting.announcing import ALL, Announcing, Occasion

EMBEDDED_ACCOUNT = "123456789012"
"""The account number that moto answers with."""

MOST_CLIPS = 4
"""Clips spoken at once where nothing is set, however many the cores: each takes some 40 MB."""

TEMPORARY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Those that a role was taken with: good for some hours, and only together."""

Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]
"""A wait: at most a year, so that adding it to now is always a date."""

Address = Annotated[str, Field(pattern=r"^(https?://\S+)?$")]
"""A web address, or nothing."""

EngineChoice = Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]*(:\S{1,150})?)?$")]
"""An engine, or an engine and its model; or nothing."""

Occasions = Annotated[tuple[Occasion, ...], NoDecode]
"""What somebody is told of, with commas between."""


def _bare(key: SecretStr) -> SecretStr:
    """A key as a header may carry it. Files and secret stores like to add a line break."""
    bare = key.get_secret_value().strip()
    if not re.fullmatch(r"[!-~]*", bare):
        raise ValueError("a key has neither spaces nor letters beyond ASCII; copy it again, without quotation marks")
    return SecretStr(bare)


ApiKey = Annotated[SecretStr, AfterValidator(_bare)]
"""A provider's key, or nothing."""

TopicArn = Annotated[str, Field(pattern=r"^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[\w-]+)?$")]
"""Of an SNS topic, or nothing."""


class SettingsError(click.ClickException):
    """A variable is missing or wrong. The message names each, its value and the fix.

    A ClickException, so that ``airdate`` and ``celery`` alike print it as one line and exit 1.
    """


class Settings(BaseSettings):
    """What the environment says; seconds and bytes unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="AIRDATE_", extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    home: Path = Path("var")
    database_url: str = ""
    public_url: Address = ""
    bucket: str = ""
    site_port: int = Field(default=8417, ge=1, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    flower_user: str = Field(default="airdate", pattern=r"^[^:\s]+$")
    flower_password: SecretStr = SecretStr("")
    flower_write: bool = False

    aws_access_key_id: str = Field(default="", validation_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr = Field(default=SecretStr(""), validation_alias="AWS_SECRET_ACCESS_KEY")
    aws_session_token: SecretStr = Field(default=SecretStr(""), validation_alias="AWS_SESSION_TOKEN")
    aws_region: str = Field(default="us-east-1", validation_alias="AWS_REGION")
    aws_endpoint: Address = ""
    episode_processing_queue_url: Address = Field(default="", validation_alias="EPISODE_PROCESSING_QUEUE_URL")
    podcast_generation_queue_url: Address = Field(default="", validation_alias="PODCAST_GENERATION_QUEUE_URL")
    discovery_queue_url: Address = ""
    events_topic_arn: TopicArn = ""
    control_topic_arn: TopicArn = ""

    schedule_podcasts_every: Seconds = 60
    check_episodes_every: Seconds = 60
    claim_seconds: Seconds = 300
    stuck_after: Seconds = 1800
    discovery_page: int = Field(default=500, ge=1, le=10_000)

    lease_seconds: Seconds = Field(default=60, ge=3)
    visibility_timeout: int = Field(default=60, ge=3, le=43_200)
    publish_timeout: Seconds = Field(default=15, ge=1)
    allow_queues_without_redrive: bool = False
    events: bool = True
    liveness_file: Path | None = None
    max_retries: int = Field(default=5, ge=0, le=100)
    max_attempts: int = Field(default=10, ge=1)
    retry_base: Seconds = 10
    soft_time_limit: Seconds = 1500
    hard_time_limit: Seconds = 1560
    shutdown_seconds: Seconds = 100

    breaker_failures: int = Field(default=5, ge=1, le=1000)
    breaker_pause: Seconds = 30
    alarm_quiet: Seconds = 3600
    studio: str = Field(default="", pattern=r"^([\w.]+:\w+)?$")
    writer: EngineChoice = ""
    voice: EngineChoice = ""
    provider_timeout: Seconds = 120
    openai_api_key: ApiKey = SecretStr("")
    openai_url: Address = "https://api.openai.com/v1"
    openai_speech_url: Address = ""
    openai_speech_api_key: ApiKey = SecretStr("")
    anthropic_api_key: ApiKey = SecretStr("")
    anthropic_url: Address = "https://api.anthropic.com"
    gemini_api_key: ApiKey = SecretStr("")
    gemini_url: Address = "https://generativelanguage.googleapis.com"
    local_model_url: Address = "http://127.0.0.1:11434/v1"
    elevenlabs_api_key: ApiKey = SecretStr("")
    elevenlabs_url: Address = "https://api.elevenlabs.io"
    voice_prices: dict[EngineChoice, Annotated[float, Field(ge=0, le=1_000_000)]] | None = None
    """US dollars for a million characters."""
    max_stories: int = Field(default=5, ge=1, le=30)
    clips_at_once: int | None = Field(default=None, ge=1, le=32)
    fetch_timeout: Seconds = 20
    fetch_pause: float = Field(default=1, ge=0, le=60)
    fetch_max_bytes: int = Field(default=5 * 1024 * 1024, ge=1024)
    allow_file_sources: bool | None = None
    allowed_private_hosts: Annotated[frozenset[str], NoDecode] = frozenset()

    notify: SecretStr = SecretStr("")
    notify_on: Occasions = (Occasion.FAILED, Occasion.WAITING)
    webhook_url: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    webhook_on: Occasions = ALL
    podping_token: SecretStr = SecretStr("")
    podping_url: Address = "https://podping.cloud/"
    notice_timeout: Seconds = Field(default=15, le=120)
    feed_settles: float = Field(default=0, ge=0, le=86_400)

    metrics: Annotated[frozenset[Literal["emf", "prometheus", "otlp"]], NoDecode] = frozenset()
    metrics_port: int = Field(default=9417, ge=1, le=65535 - 4)
    metrics_address: str = "127.0.0.1"
    traces: Literal["none", "otlp"] = "none"
    deployment: str = Field(default="airdate", pattern=r"^[A-Za-z0-9][\w.-]{0,63}$")
    sentry_dsn: SecretStr = SecretStr("")

    log_format: str = Field(default="auto", pattern="^(auto|text|json)$")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("allowed_private_hosts", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return [host.strip() for host in value.split(",") if host.strip()] if isinstance(value, str) else value

    @field_validator("notify_on", "webhook_on", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value

    @field_validator("metrics", mode="before")
    @classmethod
    def _none_or_some(cls, value: Any) -> Any:
        listed = [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value
        return frozenset() if listed == ["none"] else listed

    @field_validator("sentry_dsn")
    @classmethod
    def _is_dsn(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"(https?://[^\s/@]+@[^\s/@]+(/\S*)?/\d+)?", value.get_secret_value()):
            raise ValueError("no DSN; Sentry shows it under Client Keys, as https://KEY@HOST/NUMBER")
        return value

    @property
    def embedded(self) -> bool:
        """Whether AWS is the one this machine runs for itself."""
        return not (self.episode_processing_queue_url or self.podcast_generation_queue_url or self.discovery_queue_url)

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if not self.embedded:
            needed = {
                "EPISODE_PROCESSING_QUEUE_URL": self.episode_processing_queue_url,
                "PODCAST_GENERATION_QUEUE_URL": self.podcast_generation_queue_url,
                "AIRDATE_DISCOVERY_QUEUE_URL": self.discovery_queue_url,
                "AIRDATE_DATABASE_URL": self.database_url,
                "AIRDATE_PUBLIC_URL": self.public_url,
            }
            missing = [name for name, value in needed.items() if not value]
            if missing:
                raise ValueError(
                    f"a queue URL is set, so this is production, and these are needed too: {', '.join(missing)}"
                )
        if bool(self.aws_access_key_id) != bool(self.aws_secret_access_key.get_secret_value()):
            raise ValueError(
                "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither (then boto3 finds a role)"
            )
        if not self.embedded and self.aws_session_token.get_secret_value() and not all(map(os.environ.get, TEMPORARY)):
            raise ValueError(
                f"temporary credentials are three, and boto3 reads them from the process's environment: "
                f"set {', '.join(TEMPORARY)} there, not in .env"
            )
        if self.hard_time_limit <= self.soft_time_limit:
            raise ValueError("AIRDATE_HARD_TIME_LIMIT must be longer than AIRDATE_SOFT_TIME_LIMIT")
        self._check_announcing()
        return self

    def _check_announcing(self) -> None:
        if self.webhook_url.get_secret_value() and not self.webhook_secret.get_secret_value():
            raise ValueError(
                "AIRDATE_WEBHOOK_URL is set, and AIRDATE_WEBHOOK_SECRET, which signs what is sent there, is not; "
                "`airdate notices key` makes one"
            )
        try:
            _ = self.announcing
        except ValidationError as error:
            [problem, *_] = error.errors(include_input=False, include_url=False)
            variable = {"notify": "AIRDATE_NOTIFY"}.get(str(problem["loc"][0]), "AIRDATE_WEBHOOK_URL")
            if "secrets" in problem["loc"]:
                variable = "AIRDATE_WEBHOOK_SECRET"
            raise ValueError(f"{variable}: {str(problem['msg']).removeprefix('Value error, ')}") from None

    @cached_property
    def announcing(self) -> Announcing:
        """Who is told of every podcast's episodes."""
        services = self.notify.get_secret_value().split()
        url, keys = self.webhook_url.get_secret_value(), self.webhook_secret.get_secret_value().split()
        return Announcing.model_validate(
            {
                "notify": {
                    str(number): {"url": service, "on": self.notify_on} for number, service in enumerate(services, 1)
                },
                "webhooks": {"all": {"url": url, "on": self.webhook_on, "secrets": keys}} if url else {},
            }
        )

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.home / 'airdate.db'}"

    @property
    def site_url(self) -> str:
        """Where listeners find what is published."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.site_port}"

    @property
    def files_allowed(self) -> bool:
        """Whether a source may be a file: on one's own machine, unless said otherwise; not on a platform."""
        return self.embedded if self.allow_file_sources is None else self.allow_file_sources

    @property
    def clips_in_parallel(self) -> int:
        """How many clips of an episode are spoken at once: one for each core, unless said otherwise."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.clips_at_once or min(MOST_CLIPS, cores)

    @property
    def embedded_aws_file(self) -> Path:
        """Where the process that runs the embedded AWS leaves its address for others on this machine."""
        return self.home / "embedded-aws.json"

    def endpoint(self) -> str | None:
        """Where AWS answers, or None for the real one.

        Raises:
            SettingsError: embedded, and no embedded AWS runs.
        """
        if self.aws_endpoint or not self.embedded:
            return self.aws_endpoint or None
        try:
            return str(json.loads(self.embedded_aws_file.read_text())["endpoint"])
        except (OSError, ValueError, KeyError, TypeError):
            raise SettingsError(
                f"no AWS to talk to: Airdate does not run under {self.home}/. "
                "Start it with `make run` (or `airdate run`) and try again; for the real AWS set the queue URLs "
                "(see .env.example)."
            ) from None

    def queue_urls(self) -> dict[str, str]:
        """The URL of each queue, by its name in ``publishers.queues``.

        Raises:
            SettingsError: as :meth:`endpoint`.
        """
        named = {
            "discovery": self.discovery_queue_url,
            "podcast-generation": self.podcast_generation_queue_url,
            "episode-processing": self.episode_processing_queue_url,
        }
        if self.embedded:
            return {name: f"{self.endpoint()}/{EMBEDDED_ACCOUNT}/airdate-{name}" for name in named}
        return named

    def topics(self) -> dict[str, str]:
        """The ARN of the SNS topic of each of Celery's exchanges that has one of the stack's."""
        named = {"celeryev": self.events_topic_arn, "celery.pidbox": self.control_topic_arn}
        return {exchange: arn for exchange, arn in named.items() if arn}

    def aws_credentials(self) -> tuple[str, str] | None:
        """Access key and secret, or None to let boto3 find a role."""
        if self.embedded:
            return "embedded", "embedded"
        if self.aws_access_key_id and not self.aws_session_token.get_secret_value():
            return self.aws_access_key_id, self.aws_secret_access_key.get_secret_value()
        return None


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    try:
        return Settings(_env_file=os.environ.get("AIRDATE_ENV_FILE", ".env"))
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(problem) for problem in error.errors())) from None


def _explain(problem: Any) -> str:
    location = ".".join(str(part) for part in problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not location:
        return message
    name = location if location.isupper() else f"AIRDATE_{location.upper()}"
    secrets = ("secret", "password", "token", "dsn", "key", "notify", "webhook_url")
    hidden = any(word in location.lower() for word in secrets)
    shown = "" if hidden else f" is {problem['input']!r}"
    return f"{name}{shown}: {message} (see .env.example)"
