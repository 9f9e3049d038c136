"""What a podcast's owner chose: ``airdate podcasts settings`` shows it, ``airdate podcasts set`` changes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from operations.dead_letters.audit import who
from operations.opened import database
from operations.output import as_json, show_json, show_table
from operations.sources import checked
from podcasting.announcing import WHOLE
from podcasting.errors import InvalidPodcast, Permanent
from podcasting.feeding import KEPT
from podcasting.models import Podcast
from podcasting.production import Production
from podcasting.studio import Studio
from tasks import wiring

OWN = ("title", "description", "author", "owner", "language", "sources", "hosts", "frequency_days")
"""Of the podcast itself; the others are its production's."""


@click.command()
@click.argument("podcast_id", metavar="PODCAST")
@as_json
def settings(podcast_id: str, *, in_json: bool) -> None:
    """Show all that can be set of a podcast, and what is."""
    values = _values(database().podcasts.get(podcast_id))
    if in_json:
        show_json(values)
        return
    described = dict(_described(Podcast, OWN)) | dict(_described(Production, tuple(Production.model_fields)))
    rows = [(path, _shown(_at(values, path)), about) for path, about in described.items()]
    show_table(("SETTING", "VALUE", "WHAT IT IS"), rows, empty="")


@click.command("set")
@click.argument("podcast_id", metavar="PODCAST")
@click.argument("changes", metavar="SETTING=VALUE...", nargs=-1, required=True)
def set_(podcast_id: str, changes: tuple[str, ...]) -> None:
    """Change what a podcast is, or how its episodes are made. Without a value a setting has its default again.

    Episodes that are published stay as they are; `airdate podcasts settings PODCAST` shows what can be set.

    \b
    Examples:
      airdate podcasts set my-show writing.engine=openai:gpt-5-mini writing.minutes=8 writing.tone="dry, for engineers"
      airdate podcasts set my-show hosts=Ada,Ben,Cleo speaking.engine=polly:neural speaking.voices.Ada=Joanna
      airdate podcasts set my-show speaking.pronunciations.SQS="S Q S" review=true
      airdate podcasts set my-show writing.engine=
    """
    pairs = [pair(change) for change in changes]

    def change(podcast: Podcast) -> Podcast:
        for path, value in pairs:
            podcast = changed(podcast, path, value)
        return podcast

    before = database().podcasts.get(podcast_id)
    lacking = _lacking(change(before), before)
    after = database().podcasts.change(podcast_id, change)
    _let_go(after)
    for path, _ in pairs:
        old, new = _at(_values(before), path), _at(_values(after), path)
        click.echo(f"{podcast_id}: {path} is {_shown(new)}" + ("" if old == new else f" (was {_shown(old)})"))
    if after.version != before.version:
        click.echo(
            f"  the next episode is made so; what feed and page show of it: airdate podcasts refresh {podcast_id}"
        )
    for what in lacking:
        click.echo(f"  as this machine is set up, no episode can be made so: {what}")


def _lacking(podcast: Podcast, before: Podcast) -> list[str]:
    """What the engines it newly chooses lack here: keys, packages. Workers may have them.

    Raises:
        InvalidPodcast: there is no such engine, nowhere.
    """
    new, old, found = podcast.production, before.production, []
    for path, chosen, was, engine_of in (
        ("writing.engine", new.writing.engine, old.writing.engine, Studio.writer_of),
        ("speaking.engine", new.speaking.engine, old.speaking.engine, Studio.voice_of),
    ):
        if chosen in (None, was):
            continue
        try:
            engine_of(wiring.studio(), podcast)
        except InvalidPodcast as error:
            raise InvalidPodcast(f"{path} is {chosen!r}: {error}") from error
        except Permanent as error:
            found.append(str(error))
    return found


def _let_go(podcast: Podcast) -> None:
    # Whoever turns review off wants no script to wait; asked each time, for the last who did may have been killed.
    if not podcast.production.review:
        for episode_id in database().reviews.let_go(podcast.id, wiring.utc_now(), by=who()):
            click.echo(f"{episode_id}: goes on without approval, since review is off")


def changed(podcast: Podcast, path: str, value: str) -> Podcast:
    """The podcast with one setting changed; an empty value is its default.

    Raises:
        InvalidPodcast: there is no such setting, or it takes no such value; names both.
    """
    if path.startswith(KEPT):
        raise InvalidPodcast(f"{path} is kept by `airdate podcasts feeds`, whose commands move the files too")
    if path == "sources" and value:
        value = json.dumps([checked(each) for each in _listed(value)])
    trouble: ValidationError | None = None
    for candidate in _candidates(value):
        try:
            return _with(podcast, path.split("."), candidate)
        except ValidationError as error:
            if trouble is None or trouble.errors()[0]["type"] in {"tuple_type", "dict_type"}:
                trouble = error
    assert trouble is not None  # noqa: S101 - there is a candidate at least
    raise InvalidPodcast(_explained(path, value, trouble))


def _with(podcast: Podcast, path: list[str], value: Any) -> Podcast:
    values = _values(podcast, context=WHOLE)
    *parents, last = path
    place: Any = values
    for parent in parents:
        place = place.setdefault(parent, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise InvalidPodcast(_unknown(".".join(path)))
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
    own = {name: values.pop(name) for name in OWN if name in values}
    kept = podcast.model_dump(exclude={*OWN, "production"})
    return Podcast.model_validate(kept | own | {"production": values})


def _candidates(value: str) -> Iterator[Any]:
    """What a value may mean: nothing, the text itself, JSON, a list with commas."""
    if not value:
        yield None
        return
    yield value
    try:
        yield json.loads(value)
    except ValueError:
        yield _listed(value)


def _listed(value: str) -> list[str]:
    if value.startswith("["):
        try:
            return [str(each) for each in json.loads(value)]
        except ValueError:
            pass
    return [each.strip() for each in value.split(",") if each.strip()]


def pair(change: str) -> tuple[str, str]:
    """The two sides of SETTING=VALUE."""
    path, equals, value = change.partition("=")
    if not equals or not path.strip():
        raise click.UsageError(f"{change!r} is no change; say SETTING=VALUE, such as writing.minutes=8")
    return path.strip(), value.strip()


def _values(podcast: Podcast, *, context: Any = None) -> dict[str, Any]:
    """All settings by their paths' parts; what is secret in them is hidden unless the ``context`` is ``WHOLE``."""
    dumped = podcast.model_dump(mode="json", context=context)
    production: dict[str, Any] = dumped.pop("production")
    return {name: dumped[name] for name in OWN} | production


def _at(values: Mapping[str, Any], path: str) -> Any:
    place: Any = values
    for part in path.split("."):
        place = place.get(part) if isinstance(place, dict) else None
    return place


def _described(model: type[BaseModel], names: tuple[str, ...], above: str = "") -> Iterator[tuple[str, str]]:
    """Each setting's path, and what it is."""
    for name in names:
        field = model.model_fields[name]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _described(field.annotation, tuple(field.annotation.model_fields), f"{above}{name}.")
        else:
            default = field.get_default(call_default_factory=False)
            about = " ".join((field.description or "").replace("``", "").split())
            told = "" if default in (None, PydanticUndefined, "") else f"default: {_shown(default)}"
            yield f"{above}{name}", " ".join(filter(None, (about, told)))


def _shown(value: Any) -> str:
    if value in (None, "", [], {}, ()):
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)


def _unknown(path: str) -> str:
    known = ", ".join(
        name for name, _ in (*_described(Podcast, OWN), *_described(Production, tuple(Production.model_fields)))
    )
    return f"there is no setting {path!r}; there are {known}"


def _explained(path: str, value: str, error: ValidationError) -> str:
    problem = error.errors()[0]
    if problem["type"] == "extra_forbidden":
        return _unknown(path)
    message = str(problem["msg"]).removeprefix("Value error, ")
    # A mistyped secret is one too.
    shown = "" if path.startswith("announcing.") else f" is {value!r}"
    return f"{path}{shown}: {message}"
