"""The public page of a Telegram channel, in the markup that t.me serves: what parsers of it meet, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape


@dataclass(frozen=True)
class Post:
    number: int
    when: datetime
    text: str = ""
    """HTML, as Telegram writes it: ``<b>``, ``<a>``, ``<br/>``, ``<tg-emoji>``; empty for a picture alone."""
    forwarded_from: str = ""
    signed_by: str = ""
    answers: str = ""
    """What the post that it replies to says."""
    album: int = 0
    """Pictures in it."""
    is_service: bool = False


def channel_page(*posts: Post, name: str = "tide_news", title: str = "Tide News") -> bytes:
    """The page of a channel, oldest post first, as ``t.me/s/NAME`` has them."""
    shown = "".join(_wrapped(post, name, title) for post in posts)
    return f"""<!DOCTYPE html>
<html class="">
  <head>
    <meta charset="utf-8">
    <title>{escape(title)} – Telegram</title>
    <meta property="og:title" content="{escape(title)}">
    <meta property="og:site_name" content="Telegram">
    <link rel="canonical" href="/s/{name}">
    <link href="//telegram.org/css/widget-frame.css?72" rel="stylesheet" media="screen">
  </head>
  <body class="widget_frame_base tgme_webpreview emoji_image">
    <div class="tgme_background_wrap"></div>
    <header class="tgme_header search_collapsed"><div class="tgme_container"><div class="tgme_header_info">
      <a class="tgme_channel_join_telegram" href="//telegram.org/dl?tme=1_1"></a>
      <div class="tgme_header_title_wrap"><div class="tgme_header_title"><span dir="auto">{escape(title)}</span></div>
      <div class="tgme_header_counter">1.2K subscribers</div></div></div></div>
    </header>
    <main class="tgme_main" data-url="/{name}">
      <div class="tgme_container">
        <section class="tgme_right_column"><div class="tgme_channel_info">
          <div class="tgme_channel_info_header">
            <div class="tgme_channel_info_header_title_wrap">
              <div class="tgme_channel_info_header_title"><span dir="auto">{escape(title)}</span></div>
              <div class="tgme_channel_info_header_username"><a href="https://t.me/{name}">@{name}</a></div>
            </div></div>
          <div class="tgme_channel_info_description">What the sea does.</div>
        </div></section>
        <section class="tgme_channel_history js-message_history">
          <div class="tgme_widget_message_centered js-messages_more_wrap">
            <a href="/s/{name}?before=1" class="tme_messages_more js-messages_more" data-before="1"></a></div>
          {shown}
        </section>
      </div>
    </main>
    <script src="//telegram.org/js/widget-frame.js?65"></script>
    <script>TWeb.init();</script>
  </body>
</html>
""".encode()


def _wrapped(post: Post, name: str, title: str) -> str:
    link = f"https://t.me/{name}/{post.number}"
    kinds = "tgme_widget_message text_not_supported_wrap js-widget_message"
    if post.is_service:
        kinds += " service_message"
    return f"""
<div class="tgme_widget_message_wrap js-widget_message_wrap">
<div class="{kinds}" data-post="{name}/{post.number}" data-view="eyJjIjotMTAwfQ">
  <div class="tgme_widget_message_user"><a href="https://t.me/{name}"><i
    class="tgme_widget_message_user_photo bgcolor2"><img src="https://cdn4.telesco.pe/file/a.jpg"></i></a></div>
  <div class="tgme_widget_message_bubble">
    <i class="tgme_widget_message_bubble_tail"></i>
    <div class="tgme_widget_message_author accent_color"><a class="tgme_widget_message_owner_name"
      href="https://t.me/{name}"><span dir="auto">{escape(title)}</span></a></div>
    {_forwarded(post)}{_reply(post, name)}{_album(post, link)}{_text(post)}
    <div class="tgme_widget_message_footer compact js-message_footer">
      <div class="tgme_widget_message_info short js-message_info">
        <span class="tgme_widget_message_views">1.3K</span><span class="copyonly"> views</span>
        <span class="tgme_widget_message_meta">{_signature(post)}<a class="tgme_widget_message_date" href="{link}"><time
          datetime="{post.when.isoformat()}" class="time">{post.when:%H:%M}</time></a></span>
      </div></div>
  </div>
</div></div>"""


def _forwarded(post: Post) -> str:
    if not post.forwarded_from:
        return ""
    return (
        '<div class="tgme_widget_message_forwarded_from accent_color">Forwarded from&nbsp;'
        '<a class="tgme_widget_message_forwarded_from_name" href="https://t.me/elsewhere/7">'
        f'<span dir="auto">{escape(post.forwarded_from)}</span></a></div>'
    )


def _reply(post: Post, name: str) -> str:
    if not post.answers:
        return ""
    return (
        f'<a class="tgme_widget_message_reply user-color-default" href="https://t.me/{name}/1">'
        '<div class="tgme_widget_message_author accent_color"><span class="tgme_widget_message_author_name" dir="auto">'
        f'Tide News</span></div><div class="tgme_widget_message_text js-message_reply_text" dir="auto">{post.answers}'
        "</div></a>"
    )


def _album(post: Post, link: str) -> str:
    if not post.album:
        return ""
    photos = "".join(
        f'<a class="tgme_widget_message_photo_wrap grouped_media_wrap js-message_photo" href="{link}?single" '
        "style=\"width:226px;background-image:url('https://cdn4.telesco.pe/file/b.jpg')\"></a>"
        for _ in range(post.album)
    )
    return (
        '<div class="tgme_widget_message_grouped_wrap js-message_grouped_wrap" data-margin-w="2">'
        f'<div class="tgme_widget_message_grouped js-message_grouped">{photos}</div></div>'
    )


def _text(post: Post) -> str:
    return f'<div class="tgme_widget_message_text js-message_text" dir="auto">{post.text}</div>' if post.text else ""


def _signature(post: Post) -> str:
    if not post.signed_by:
        return ""
    return f'<span class="tgme_widget_message_from_author" dir="auto">{escape(post.signed_by)}</span>, '


CARD = b"""<!DOCTYPE html>
<html><head><title>Telegram: Contact @tide_talk</title></head>
<body><div class="tgme_page_wrap"><div class="tgme_body_wrap"><div class="tgme_page">
<div class="tgme_page_title" dir="auto"><span dir="auto">Tide Talk</span></div>
<div class="tgme_page_extra">812 members, 40 online</div>
<div class="tgme_page_action"><a class="tgme_action_button_new shine" href="tg://resolve?domain=tide_talk">View in
Telegram</a></div>
</div></div></div></body></html>"""
"""What ``t.me/s/NAME`` redirects to for a group, a private channel or a name that nobody has."""
