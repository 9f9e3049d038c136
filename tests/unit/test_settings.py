"""The environment: embedded when nothing is set, and one clear line when something is missing or wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from settings import Settings, SettingsError, settings
from tests.fakes.environment import ROOT, set_environment

PRODUCTION = {
    "EPISODE_PROCESSING_QUEUE_URL": "https://sqs.example.org/1/airdate-episode-processing",
    "PODCAST_GENERATION_QUEUE_URL": "https://sqs.example.org/1/airdate-podcast-generation",
    "AIRDATE_DISCOVERY_QUEUE_URL": "https://sqs.example.org/1/airdate-discovery",
    "AIRDATE_DATABASE_URL": "postgresql://airdate@db.example.org/airdate",
    "AIRDATE_PUBLIC_URL": "https://podcasts.example.org/",
}
ONLY_IN_THE_PROCFILE = {"AIRDATE_GENERATORS": "2", "AIRDATE_PROCESSORS": "2"}
DERIVED = {"database_url", "public_url"}
"""Unset by default; the example shows what Airdate then uses."""

ASSIGNMENT = re.compile(r"# ([A-Z][A-Z_0-9]+)=(.*)")
EXAMPLE = (ROOT / ".env.example").read_text().splitlines()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    set_environment(monkeypatch)
    yield
    settings.cache_clear()


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    set_environment(monkeypatch, **variables)
    return settings()


def complaint(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **variables)
    return caught.value.message


def variable_of(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias or f"AIRDATE_{field.upper()}")


# Embedded ---------------------------------------------------------------------------------------------


def test_with_nothing_set_airdate_runs_embedded_under_var(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch)

    assert chosen.embedded
    assert chosen.database == "sqlite:///var/airdate.db"
    assert chosen.site_url == "http://127.0.0.1:8417"
    assert chosen.aws_credentials() == ("embedded", "embedded")


def test_everything_of_this_machine_is_below_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen = read(monkeypatch, AIRDATE_HOME=str(tmp_path))

    assert chosen.database == f"sqlite:///{tmp_path}/airdate.db"
    assert chosen.embedded_aws_file.parent == tmp_path


def test_the_embedded_aws_is_found_by_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "embedded-aws.json").write_text(json.dumps({"endpoint": "http://127.0.0.1:4566", "pid": 1}))
    chosen = read(monkeypatch, AIRDATE_HOME=str(tmp_path))

    assert chosen.endpoint() == "http://127.0.0.1:4566"
    assert chosen.queue_urls() == {
        "discovery": "http://127.0.0.1:4566/123456789012/airdate-discovery",
        "podcast-generation": "http://127.0.0.1:4566/123456789012/airdate-podcast-generation",
        "episode-processing": "http://127.0.0.1:4566/123456789012/airdate-episode-processing",
    }


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "no json"])
def test_without_a_running_aws_the_error_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "embedded-aws.json").write_text(content)
    chosen = read(monkeypatch, AIRDATE_HOME=str(tmp_path))

    with pytest.raises(SettingsError, match="make run"):
        chosen.queue_urls()


def test_a_named_endpoint_goes_before_the_embedded_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "embedded-aws.json").write_text(json.dumps({"endpoint": "http://127.0.0.1:4566"}))
    chosen = read(monkeypatch, AIRDATE_HOME=str(tmp_path), AIRDATE_AWS_ENDPOINT="http://127.0.0.1:5000")

    assert chosen.endpoint() == "http://127.0.0.1:5000"
    assert chosen.queue_urls()["discovery"] == "http://127.0.0.1:5000/123456789012/airdate-discovery"


# Production -------------------------------------------------------------------------------------------


def test_production_uses_the_queues_it_was_given_and_the_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch, **PRODUCTION)

    assert not chosen.embedded
    assert chosen.endpoint() is None
    assert chosen.queue_urls() == {
        "episode-processing": PRODUCTION["EPISODE_PROCESSING_QUEUE_URL"],
        "podcast-generation": PRODUCTION["PODCAST_GENERATION_QUEUE_URL"],
        "discovery": PRODUCTION["AIRDATE_DISCOVERY_QUEUE_URL"],
    }


@pytest.mark.parametrize("missing", PRODUCTION)
def test_production_names_the_variable_that_it_lacks(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    message = complaint(monkeypatch, **{name: value for name, value in PRODUCTION.items() if name != missing})

    assert [name for name in PRODUCTION if name in message] == [missing]


@pytest.mark.parametrize("only", [name for name in PRODUCTION if name.endswith("QUEUE_URL")])
def test_one_queue_url_alone_makes_production_and_names_all_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, only: str
) -> None:
    message = complaint(monkeypatch, **{only: PRODUCTION[only]})

    assert {name for name in PRODUCTION if name in message} == set(PRODUCTION) - {only}


def test_feeds_carry_the_public_address_without_a_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **PRODUCTION).site_url == "https://podcasts.example.org"


def test_without_keys_boto3_looks_for_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **PRODUCTION).aws_credentials() is None


def test_with_keys_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch, **PRODUCTION, AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="a/b+c")  # noqa: S106

    assert chosen.aws_credentials() == ("AKIA", "a/b+c")


TEMPORARY = {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "of-a-role"}


def test_temporary_credentials_are_boto3s_to_find_for_only_it_takes_all_three(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, **PRODUCTION, **TEMPORARY).aws_credentials() is None


def test_temporary_credentials_in_the_env_file_are_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in TEMPORARY.items()))

    message = complaint(monkeypatch, AIRDATE_ENV_FILE=str(file), **PRODUCTION)

    assert "AWS_SESSION_TOKEN there, not in .env" in message
    assert "of-a-role" not in message


@pytest.mark.parametrize("name", ["AIRDATE_FLOWER_PASSWORD", "AWS_SESSION_TOKEN"])
def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    chosen = read(monkeypatch, **{name: "hidden-from-all"})

    assert "hidden-from-all" not in f"{chosen!r} {chosen.model_dump()}"


@pytest.mark.parametrize("only", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_a_key_is_refused(monkeypatch: pytest.MonkeyPatch, only: str) -> None:
    assert "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in complaint(monkeypatch, **{only: "half"})


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        ({}, True),
        (PRODUCTION, False),
        ({"AIRDATE_ALLOW_FILE_SOURCES": "false"}, False),
        (PRODUCTION | {"AIRDATE_ALLOW_FILE_SOURCES": "true"}, True),
    ],
    ids=["embedded", "production", "embedded-but-refused", "production-but-allowed"],
)
def test_files_are_sources_on_ones_own_machine_unless_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, allowed: bool
) -> None:
    assert read(monkeypatch, **variables).files_allowed is allowed


def test_clips_are_spoken_on_all_cores_up_to_four_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, clips in ((1, 1), (2, 2), (64, 4)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        assert read(monkeypatch).clips_in_parallel == clips

    assert read(monkeypatch, AIRDATE_CLIPS_AT_ONCE="12").clips_in_parallel == 12


# Wrong values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRDATE_SITE_PORT", "many"),
        ("AIRDATE_SITE_PORT", "65536"),
        ("AIRDATE_VISIBILITY_TIMEOUT", "0"),
        ("AIRDATE_VISIBILITY_TIMEOUT", "50000"),
        ("AIRDATE_CLAIM_SECONDS", "-1"),
        ("AIRDATE_DISCOVERY_PAGE", "0"),
        ("AIRDATE_SCHEDULE_PODCASTS_EVERY", "0"),
        ("AIRDATE_MAX_STORIES", "1.5"),
        ("AIRDATE_ALLOW_FILE_SOURCES", "perhaps"),
        ("AIRDATE_LOG_LEVEL", "LOUD"),
        ("AIRDATE_AWS_ENDPOINT", "127.0.0.1:5000"),
        ("AIRDATE_PUBLIC_URL", "podcasts.example.org"),
        ("EPISODE_PROCESSING_QUEUE_URL", "airdate-episode-processing"),
        ("PODCAST_GENERATION_QUEUE_URL", "arn:aws:sqs:us-east-1:1:airdate-podcast-generation"),
        ("AIRDATE_DISCOVERY_QUEUE_URL", "http://"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert complaint(monkeypatch, **{name: value}).startswith(f"{name} is {value!r}: ")


@pytest.mark.parametrize("value", ["inf", "nan", "1e12"])
@pytest.mark.parametrize(
    "name", [variable_of(field) for field, info in Settings.model_fields.items() if info.annotation is float]
)
def test_no_wait_is_longer_than_a_date_can_hold(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert complaint(monkeypatch, **{name: value}).startswith(f"{name} is ")


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    message = complaint(monkeypatch, AIRDATE_SITE_PORT="many", AIRDATE_MAX_RETRIES="-1")

    assert "AIRDATE_SITE_PORT" in message
    assert "AIRDATE_MAX_RETRIES" in message


def test_a_complaint_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\n" not in complaint(monkeypatch, AIRDATE_SITE_PORT="many\nlines", AIRDATE_MAX_RETRIES="-1")


def test_a_task_must_be_interrupted_before_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    message = complaint(monkeypatch, AIRDATE_SOFT_TIME_LIMIT="60", AIRDATE_HARD_TIME_LIMIT="60")

    assert "AIRDATE_HARD_TIME_LIMIT must be longer than AIRDATE_SOFT_TIME_LIMIT" in message


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_SECRET_ACCESS_KEY": "hunter2"},
        {"AWS_SECRET_ACCESS_KEY": "hunter2", "AIRDATE_SITE_PORT": "many"},
        {"AWS_SECRET_ACCESS_KEY": "hunter2", "EPISODE_PROCESSING_QUEUE_URL": "https://sqs.example.org/1/x"},
        PRODUCTION
        | {
            "AIRDATE_DATABASE_URL": "postgresql://airdate:hunter2@db.example.org/airdate",
            "AIRDATE_HARD_TIME_LIMIT": "1",
        },
    ],
    ids=["half a key", "half a key and a wrong number", "half of production", "a database's password"],
)
def test_no_secret_is_shown_in_a_complaint(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    assert "hunter2" not in complaint(monkeypatch, **variables)


def test_the_secret_key_is_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch, AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="hunter2")  # noqa: S106

    assert "hunter2" not in f"{chosen} {chosen!r} {chosen.model_dump_json()}"


# Where values come from -------------------------------------------------------------------------------


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch, AIRDATE_SITE_PORT="", EPISODE_PROCESSING_QUEUE_URL="", AIRDATE_ALLOW_FILE_SOURCES="")

    assert chosen == Settings(_env_file=None)


def test_a_file_of_variables_is_read_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text("AIRDATE_SITE_PORT=9000\nAWS_REGION=eu-central-1\nUNKNOWN=1\n")

    chosen = read(monkeypatch, AIRDATE_ENV_FILE=str(tmp_path / "mine.env"))

    assert (chosen.site_port, chosen.aws_region) == (9000, "eu-central-1")


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text("AIRDATE_SITE_PORT=9000\n")

    chosen = read(monkeypatch, AIRDATE_ENV_FILE=str(tmp_path / "mine.env"), AIRDATE_SITE_PORT="9001")

    assert chosen.site_port == 9001


def test_without_a_word_the_file_is_dot_env_of_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("AIRDATE_SITE_PORT=9002\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIRDATE_ENV_FILE")

    assert settings().site_port == 9002


def test_the_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(monkeypatch)
    monkeypatch.setenv("AIRDATE_SITE_PORT", "9003")

    assert settings() is first


def test_private_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read(monkeypatch, AIRDATE_ALLOWED_PRIVATE_HOSTS="feeds.internal, 10.0.0.7:8080,")

    assert chosen.allowed_private_hosts == {"feeds.internal", "10.0.0.7:8080"}


# .env.example -----------------------------------------------------------------------------------------


def shown() -> dict[str, str]:
    return {match[1]: match[2] for line in EXAMPLE if (match := ASSIGNMENT.fullmatch(line))}


def test_the_example_shows_every_variable_once_and_no_other() -> None:
    names = [match[1] for line in EXAMPLE if (match := ASSIGNMENT.fullmatch(line))]

    assert sorted(names) == sorted([variable_of(field) for field in Settings.model_fields] + list(ONLY_IN_THE_PROCFILE))


def test_each_variable_of_the_example_stands_below_its_description() -> None:
    undescribed = []
    described = False
    for line in EXAMPLE:
        match = ASSIGNMENT.fullmatch(line)
        if match and not described:
            undescribed.append(match[1])
        if not match:
            described = line.startswith("# ") and not line.startswith("# ──")

    assert undescribed == []


def test_the_defaults_of_the_example_are_the_real_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    example = tmp_path / "example.env"
    example.write_text("".join(f"{name}={value}\n" for name, value in shown().items()))
    real = read(monkeypatch)
    said = read(monkeypatch, AIRDATE_ENV_FILE=str(example))

    assert said.model_dump(exclude=DERIVED) == real.model_dump(exclude=DERIVED)
    assert (said.database, said.site_url) == (real.database, real.site_url)


def test_every_default_but_an_empty_one_is_shown() -> None:
    empty = (None, "", frozenset(), SecretStr(""))

    assert not [
        field
        for field, info in Settings.model_fields.items()
        if not shown()[variable_of(field)] and info.get_default() not in empty
    ]


@pytest.mark.parametrize(("name", "default"), ONLY_IN_THE_PROCFILE.items())
def test_the_procfile_and_the_example_agree(name: str, default: str) -> None:
    assert f"${{{name}:-{default}}}" in (ROOT / "Procfile").read_text()
    assert shown()[name] == default


def test_the_procfile_reads_no_other_variable() -> None:
    read_by_procfile = set(re.findall(r"\$\{(\w+):-", (ROOT / "Procfile").read_text()))

    assert read_by_procfile == {*ONLY_IN_THE_PROCFILE, "AIRDATE_HOME", "AIRDATE_FLOWER_PORT"}


def test_a_key_comes_without_the_line_break_that_files_add(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, AIRDATE_OPENAI_API_KEY="of-a-test\r\n").openai_api_key == SecretStr("of-a-test")


def test_a_key_that_no_header_may_carry_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    told = complaint(monkeypatch, AIRDATE_GEMINI_API_KEY="“of-a-test”")

    assert told.startswith("AIRDATE_GEMINI_API_KEY: a key has neither spaces nor letters beyond ASCII")
    assert "of-a-test" not in told
