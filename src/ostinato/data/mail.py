"""The words of a mail: what its reader sees, without headers, attachments and markup."""

from __future__ import annotations

import email
import html
import re
from email.message import Message

UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
TAG = re.compile(r"<[!/?a-zA-Z][^>]*>")


def body(raw: bytes) -> str:
    """The plain parts, or where there are none those in HTML with their tags cut, as words with single spaces (and no U+0000)."""
    texts = [part for part in email.message_from_bytes(raw).walk() if part.get_content_maintype() == "text"]
    plain = [part for part in texts if part.get_content_subtype() == "plain"]
    return " ".join(" ".join(_text(part) for part in plain or texts).replace("\0", " ").split())


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    try:
        text = content.decode(part.get_content_charset() or "ascii")
    except (LookupError, UnicodeDecodeError):  # a wrong or an unknown name of an encoding
        text = content.decode("latin-1")
    return html.unescape(TAG.sub(" ", UNSEEN.sub(" ", text))) if part.get_content_subtype() == "html" else text
