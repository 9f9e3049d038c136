"""What the owner of a podcast chose of its feed: what directories read of it, and who may find it at all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, SerializationInfo

from podcasting.announcing import WHOLE
from podcasting.categories import checked_category
from podcasting.patterns import of_form
from podcasting.redaction import HIDDEN

WebAddress = Annotated[
    str, Field(max_length=2000), of_form(r"https?://[^\s/?#<>\"]+[^\s<>\"]*", "https://HOST/PATH, without spaces")
]
"""An http or https address that may stand in a link."""

Category = Annotated[str, AfterValidator(checked_category)]
"""One of Apple's: ``News``, or ``News > Tech News``."""


GUID_FORM = "a UUID in small letters, such as 2d7aa02d-65fc-5bec-8e96-7d32b527d4ee"


def _told(value: str, info: SerializationInfo) -> str:
    return value if info.context == WHOLE else HIDDEN


Unguessable = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,64}$"), PlainSerializer(_told, return_type=str)]
"""A part of an address that is known to those who were told: 128 bits or more of randomness, in base 64.

No dump shows it, but the database's (``context=WHOLE``).
"""


class _Chosen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Leaving = Annotated[str, Field(pattern=r"^(private/[A-Za-z0-9_-]{22,64})?$"), PlainSerializer(_told, return_type=str)]
"""A folder below a podcast's, or nothing for what is public."""


class Privacy(_Chosen):
    """Where the files of a private podcast are, and who was told. ``airdate podcasts feeds`` keeps it."""

    folder: Unguessable
    """Of the sound, the pictures and the transcripts: all listeners share it."""
    tokens: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,79}$")], Unguessable] = Field(
        default_factory=dict
    )
    """By listener, the folder of a feed and page of their own."""


class Feeding(_Chosen):
    """What the feed says to directories and apps, beside the podcast's own title, description, author and language."""

    categories: tuple[Category, ...] = Field(default=("News",), min_length=1, max_length=3)
    """Apple's, best first: News, "News > Tech News"."""
    explicit: bool = False
    """Whether it is not for children's ears."""
    type: Literal["episodic", "serial"] = "episodic"
    """Whether episodes are heard newest first, or from the first on (serial)."""
    complete: bool = False
    """Whether no more episodes will come; apps stop asking."""
    locked: bool = False
    """Whether other hosting platforms must not import the feed."""
    email: Annotated[str, Field(max_length=254), of_form(r"[^\s@<>]+@[^\s@<>]+", "NAME@HOST")] | None = None
    """The owner's, for directories that prove ownership by it. Everybody can read it in the feed."""
    website: WebAddress | None = None
    """The podcast's own site; None: the page that Airdate makes."""
    copyright: str = Field(default="", max_length=255)
    """Whose it is, without the word copyright, sign or year."""
    license: str = Field(default="", max_length=128)
    """An SPDX identifier such as cc-by-4.0, or the name of a licence of your own."""
    license_url: WebAddress | None = None
    """The licence's words; needed for one of your own."""
    funding_url: WebAddress | None = None
    """Where listeners can support it."""
    funding_text: str = Field(default="", max_length=128)
    """What the link to it says."""
    texts: dict[str, Annotated[str, Field(max_length=4000)]] = Field(default_factory=dict)
    """By purpose, what a platform wants to find in the feed: feed.texts.applepodcastsverify=…"""
    moved_to: WebAddress | None = None
    """The address of the feed that listeners are to follow from now on: the podcast moved to another host."""
    guid: Annotated[str, of_form(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", GUID_FORM)] | None = None
    """Its podcast:guid, for life; None: made of the feed's address when it first publishes, and kept from then on."""
    private: Privacy | None = None
    """Set by `airdate podcasts feeds`: who is told where a private podcast is."""
    leaving: tuple[Leaving, ...] = ()
    """Kept by `airdate podcasts feeds`: folders whose files are to be removed yet."""

    @property
    def folder(self) -> str | None:
        """The unguessable folder of a private podcast's files; None: it is public."""
        return self.private.folder if self.private else None


KEPT = ("feed.private", "feed.leaving")
"""Settings that a command of their own keeps, for files move with them; they hold what only listeners should know."""
