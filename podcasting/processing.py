"""Processing: which stages check and publish an episode, in what order. Resumes at the first that is not done."""

from __future__ import annotations

from podcasting import syndication
from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen
from podcasting.place import PlacedStorage, files_of
from podcasting.providers.writers import Script
from podcasting.stages.check import AudioDamaged, Checked, CheckInput, check
from podcasting.stages.cover import Cover, CoverInput, cover
from podcasting.stages.master import Mastered
from podcasting.stages.publish import PublishedFiles, PublishInput, empty, publish
from podcasting.stages.transcript import TranscriptInput, Transcripts, transcript
from podcasting.work import Work


class Listed(Frozen):
    """The version of the podcast whose feed lists the episode."""

    version: int


def process(work: Work) -> None:
    """Check → transcript → cover → publish → feed. Afterwards the episode is ``published``.

    Raises:
        LeaseLost: another worker took over.
        AirdateError: whose class says what to do; ``work.stage`` says where.
    """
    studio, podcast, episode = work.studio, work.podcast, work.episode
    written = work.output_of("script", Script)
    mastered = work.output_of("master", Mastered)

    claimed = CheckInput(
        key=mastered.key,
        seconds=mastered.seconds,
        size_bytes=mastered.size_bytes,
        audio_format=mastered.audio_format,
        aimed_lufs=mastered.aimed_lufs,
        aimed_peak_dbtp=mastered.aimed_peak_dbtp,
    )
    try:
        work.run(
            "check",
            fingerprint("check", claimed),
            lambda: check(claimed, studio.workspace, work.progress),
            Checked,
        )
    except AudioDamaged:
        # So that a retry makes the audio again instead of finding the damaged one.
        studio.database.checkpoints.forget(work.lease, "master")
        raise

    cues = TranscriptInput(cues=mastered.cues, language=podcast.language)
    transcripts = work.run(
        "transcript", fingerprint("transcript", cues), lambda: transcript(cues, studio.workspace), Transcripts
    )

    design = CoverInput(podcast_title=podcast.title, author=podcast.author)
    drawn = work.run("cover", fingerprint("cover", design), lambda: cover(design, studio.workspace), Cover)

    files = PublishInput(
        podcast_id=podcast.id,
        episode_id=episode.id,
        audio=mastered.key,
        vtt=transcripts.vtt,
        srt=transcripts.srt,
        json_transcript=transcripts.json_key,
        cover=drawn.key,
        chapters=mastered.chapters,
        audio_format=mastered.audio_format,
    )

    def put_and_release() -> PublishedFiles:
        work.progress(f"putting the files of {written.title!r} on the site")
        return publish(files, studio.workspace, PlacedStorage(studio.site, place))

    place = files_of(podcast)
    # Of a public podcast the key is what it always was: no episode under way is published twice for this.
    key = fingerprint("publish", files, place.below) if place.below else fingerprint("publish", files)
    work.run("publish", key, put_and_release, PublishedFiles)
    studio.database.episodes.release(work.lease, studio.now())
    # Whoever moves a podcast's files moves those of episodes that are released. This one was not yet, just now; and
    # what this worker put where they are no more must not stay there. Looked at again until nobody moved them.
    while (moved := files_of(studio.database.podcasts.get(podcast.id))) != place:
        put = publish(files, studio.workspace, PlacedStorage(studio.site, moved))
        empty(put, PlacedStorage(studio.site, place))
        place = moved

    # The feed is made from the database alone, so it is made anew each time this line is reached.
    work.run(
        "feed",
        fingerprint("feed", work.lease.number),
        lambda: Listed(version=syndication.refresh(studio, podcast.id)),
        Listed,
    )
    studio.database.episodes.publish(work.lease, studio.now())
