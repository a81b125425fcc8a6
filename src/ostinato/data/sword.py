"""Texts of the SWORD project in its format zText, a block a book: an index of blocks, one of verses, and the packed blocks."""

from __future__ import annotations

import html
import re
import struct
import zlib
from functools import lru_cache

from .errors import DataError

BLOCK, VERSE = struct.Struct("<III"), struct.Struct("<IIH")  # start, packed length, length; block, start, length
BOOK = re.compile(rb'<div [^>]*osisID="(\w+)"[^>]*type="book"')
ASIDE = re.compile(r"<(note|title)\b.*?</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
# No space stands beside words that translators added; a pronoun that is added to a Spanish verb belongs to it.
GAP = re.compile(r"</w>(?=<transChange[^>]*>(?!(?:me|te|se|nos|os|l[aeo]s?)</))|</transChange>(?=<w\b)")


@lru_cache(maxsize=4)  # asked for once a part
def verses(blocks: bytes, index: bytes, packed: bytes) -> dict[int, tuple[str, str]]:
    """(book, text) of each verse that has words, by its place in the index. Notes, titles and markup are cut."""
    found = {}
    try:
        texts = [zlib.decompress(packed[start : start + length]) for start, length, _ in BLOCK.iter_unpack(blocks)]
        books = [book[1].decode("ascii") if (book := BOOK.search(text)) else "" for text in texts]
        for place, (block, start, length) in enumerate(VERSE.iter_unpack(index)):
            if length and books[block] and (text := plain(texts[block][start : start + length])):
                found[place] = (books[block], text)
    except (struct.error, zlib.error, IndexError) as error:
        raise DataError(f"The SWORD module cannot be read ({error}): it is damaged.") from error
    return found


def plain(content: bytes) -> str:
    """The words of a piece of OSIS."""
    text = content.decode("utf-8", "replace")
    return " ".join(html.unescape(TAG.sub("", GAP.sub(" ", ASIDE.sub("", text)))).split())
