"""Generation: which stages make an episode's audio, in what order. Resumes at the first that is not done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from podcasting.errors import AwaitsApproval
from podcasting.fingerprint import fingerprint
from podcasting.models import EpisodeStatus, Podcast
from podcasting.providers.writers import Brief, Script, Story
from podcasting.stages.collect import Collected, CollectInput, Known, collect
from podcasting.stages.cover import draw_cover
from podcasting.stages.master import Mastered, MasterInput, master
from podcasting.stages.script import ScriptInput, script
from podcasting.stages.speech import Speech, SpeechInput, speak
from podcasting.stages.tape import ClipDamaged
from podcasting.work import Work

EMBEDDED_COVER_PIXELS = 1000
"""The side of the cover inside the MP3: large enough for a player, small beside the sound."""


def generate(work: Work) -> None:
    """Collect → script → speech → master. Afterwards the episode is ``completed``.

    Raises:
        NothingNew: the slot has nothing new to say.
        AwaitsApproval: the script is made, and its podcast wants a person to approve it before it is spoken.
        LeaseLost: another worker took over.
        AirdateError: whose class says what to do; ``work.stage`` says where.
    """
    studio, podcast, episode = work.studio, work.podcast, work.episode
    writer, voice, chosen = studio.writer_of(podcast), studio.voice_of(podcast), podcast.production

    # What was collected for a slot stays: its key is the slot, not the sources, which move on.
    collected = work.run(
        "collect",
        fingerprint("collect", episode.id),
        lambda: collect(
            CollectInput(sources=podcast.sources, limit=studio.limits.max_stories),
            _known(work),
            studio.sources,
            work.progress,
        ),
        Collected,
        status=EpisodeStatus.CONTENT_COLLECTED,
        seen=lambda output: (output.seen, output.validators),
    )

    brief = ScriptInput(brief=brief_of(podcast, episode.number, episode.slot, collected.stories))
    written = work.run(
        "script",
        fingerprint("script", writer.name, brief),
        lambda: script(brief, writer, studio.workspace),
        Script,
        status=EpisodeStatus.SCRIPT_READY,
        title=lambda output: output.title,
        settled=episode.approved_at is not None,
    )
    if chosen.review and episode.approved_at is None:
        raise AwaitsApproval(episode.id)
    if written.hosts != podcast.hosts:
        # It was approved or edited before the hosts changed, and is spoken by the voices of those who say it.
        voice = studio.voice_of(podcast.model_copy(update={"hosts": written.hosts}))

    turns = SpeechInput(turns=written.turns, language=podcast.language, pronunciations=chosen.speaking.pronunciations)
    spoken = work.run(
        "speech",
        fingerprint("speech", voice.name, turns),
        lambda: speak(
            turns,
            voice,
            studio.workspace,
            work.progress,
            at_once=studio.limits.clips_at_once,
            anew=work.wanted_anew("speech"),
        ),
        Speech,
    )

    mix = MasterInput(
        speech=spoken,
        script=written,
        podcast_title=podcast.title,
        author=podcast.author,
        language=podcast.language,
        episode_number=episode.number,
        slot=episode.slot,
        mixing=chosen.mixing,
    )

    def mastered() -> Mastered:
        art = draw_cover(podcast.title, podcast.author, side=EMBEDDED_COVER_PIXELS)
        return master(mix, studio.workspace, art, work.progress)

    try:
        work.run("master", fingerprint("master", mix), mastered, Mastered, status=EpisodeStatus.COMPLETED)
    except ClipDamaged:
        studio.database.checkpoints.forget(work.lease, "speech")
        raise


def brief_of(podcast: Podcast, number: int, slot: datetime, stories: Sequence[Story]) -> Brief:
    """What the writer is asked for: these stories, as the podcast's owner chose."""
    chosen = podcast.production.writing
    return Brief(
        podcast_title=podcast.title,
        hosts=podcast.hosts,
        language=podcast.language,
        episode_number=number,
        slot=slot,
        stories=tuple(stories),
        tone=chosen.tone,
        instructions=chosen.instructions,
        minutes=chosen.minutes,
    )


def _known(work: Work) -> Known:
    entries, validators = work.studio.database.checkpoints.known_entries(work.podcast.id)
    return Known(entries=entries, validators=validators)
