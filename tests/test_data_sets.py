"""Texts, tags, recordings, pairs and genes: what their records say, where the data are here; their readers, on tiny files."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import runpy
import struct
import wave
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from packed import fetched, tarred

from ostinato import data
from ostinato.data import DATA_SETS, DataError, cache
from ostinato.data.genes import GeneCourses, carried
from ostinato.data.mail import body
from ostinato.data.parted import PartedSet, hashed_part
from ostinato.data.proteins import AMINO_ACIDS, SCALE, three_states
from ostinato.data.recordings import phones_of
from ostinato.data.tagged import fold

ROOT = Path(__file__).parent.parent


def of_kind(kind):
    """The sets of a kind; those that are to be fetched first are skipped."""
    absent = pytest.mark.skip(reason="not in the cache")
    sets = [one for one in DATA_SETS.values() if isinstance(one, kind)]
    return [pytest.param(one, id=one.name, marks=[absent] if "to be" in one.where else []) for one in sets]


# ---------------------------------------------------------------- the records, against the data


@pytest.mark.parametrize("one", of_kind(data.LabelledTexts))
def test_texts_are_what_their_record_says(one):
    parts = {part: one.texts(part) for part in one.count}
    assert {part: len(texts) for part, (texts, _) in parts.items()} == one.count
    assert all(tuple(np.unique(labels)) == one.classes and len(labels) == len(texts) for texts, labels in parts.values())
    lengths = [len(text) for texts, _ in parts.values() for text in texts]
    assert (min(lengths), max(lengths)) == one.characters
    if "hash" in one.split:
        assert not {text.casefold() for text in parts["train"][0]} & {text.casefold() for text in parts["test"][0]}
    frame = one.frame()
    assert frame.groupby("part").size().to_dict() == one.count and frame["unique_id"].is_unique


@pytest.mark.parametrize("one", of_kind(data.TaggedSequences))
def test_tagged_sequences_are_what_their_record_says(one):
    parts = {part: one.sequences(part) for part in one.count}
    assert {part: len(tokens) for part, (tokens, _) in parts.items()} == one.count
    assert {part: sum(map(len, tokens)) for part, (tokens, _) in parts.items()} == one.steps
    assert all([len(a) for a in tokens] == [len(b) for b in tags] for tokens, tags in parts.values())
    lengths = [len(sequence) for tokens, _ in parts.values() for sequence in tokens]
    assert (min(lengths), max(lengths)) == one.lengths
    assert tuple(sorted({tag for _, tags in parts.values() for sequence in tags for tag in sequence})) == one.tags
    kept_together = [{item.name.rpartition(":")[0] or item.name for item in one.items(part)} for part in one.count]
    assert not kept_together[0] & kept_together[1] and one.part_frame("test")["unique_id"].nunique() == one.count["test"]


@pytest.mark.parametrize("one", of_kind(data.Proteins))
def test_profiles_are_what_their_record_says(one):
    for part in one.count:
        items, profiles = one.items(part), one.profiles(part)
        assert [profile.shape for profile in profiles] == [(len(item.tokens), len(AMINO_ACIDS)) for item in items]
        sums = {round(total) for profile in profiles for total in profile.sum(axis=1) * SCALE}  # cut to whole numbers by the source
        assert sums <= set(range(SCALE - 20, SCALE + 4)) and {profile.dtype for profile in profiles} == {np.dtype(np.float32)}
    residues = np.array([residue for item in items for residue in item.tokens])
    most = np.array(list(AMINO_ACIDS))[np.concatenate(profiles).argmax(axis=1)]
    assert set(residues) == set(AMINO_ACIDS) and (residues == most).mean() > 0.4  # a profile's columns are in this order


@pytest.mark.parametrize("one", of_kind(data.Recordings))
def test_recordings_are_what_their_record_says(one):
    parts = {part: one.recordings(part) for part in one.count}
    assert {part: len(recordings) for part, recordings in parts.items()} == one.count
    every = [recording for recordings in parts.values() for recording in recordings]
    assert {recording.sampling_rate for recording in every} == {one.sampling_rate}
    assert round(sum(recording.seconds for recording in every) / 60, 1) == one.minutes
    assert {recording.speaker for recording in every} == set(one.speakers)
    for recording in every[:20]:
        assert recording.samples.dtype == np.float32 and abs(recording.samples).max() <= 1
        assert len(recording.samples) == round(recording.seconds * one.sampling_rate) and recording.text
    if hasattr(one, "labels"):
        assert sum(len(recording.phones) for recording in every) == one.labels
        for recording in every:
            assert all(phone.start < phone.end for phone in recording.phones) and recording.phones[-1].end < recording.seconds + 0.1
    learn, held = one.by_speaker(one.speakers[0])
    assert len(learn) + len(held) == len(every) and {recording.speaker for recording in held} == {one.speakers[0]}


@pytest.mark.parametrize("one", of_kind(data.SentencePairs))
def test_pairs_are_what_their_record_says(one):
    parts = {part: one.pairs(part) for part in one.count}
    assert {part: len(sources) for part, (sources, _) in parts.items()} == one.count
    assert all(all(sources) and all(targets) for sources, targets in parts.values())
    words = tuple(sum(len(text.split()) for sides in parts.values() for text in sides[side]) for side in (0, 1))
    assert words == one.words
    if one.name == "verses":
        books = [{item.name.partition(":")[0] for item in one.items(part)} for part in one.count]
        assert books[1] == set(one.tests) and not books[0] & books[1] and len(books[0] | books[1]) == 66
    else:
        assert not set(parts["train"][0]) & set(parts["test"][0])


@pytest.mark.parametrize("one", of_kind(GeneCourses))
def test_genes_are_what_their_record_says(one):
    parts = {part: one.sequences(part) for part in one.count}
    assert {part: len(sequences) for part, (sequences, _) in parts.items()} == one.count
    every = [sequence for sequences, _ in parts.values() for sequence in sequences]
    assert {sequence.shape for sequence in every} == {(one.lengths[0], len(one.features))} and one.lengths[0] == one.lengths[1]
    assert all(np.isfinite(sequence).all() and (sequence[:, 1:].sum(axis=1) == 1).all() for sequence in every)
    assert all(tuple(np.unique(labels)) == one.classes for _, labels in parts.values())
    assert one.file.read(one.member).decode().replace("\n", "\t").split("\t").count("?") == one.missing


@pytest.mark.parametrize("one", [one for one in of_kind(PartedSet) if one.id in ("spam", "proteins")])
def test_what_is_bundled_is_drawn_from_the_whole(one):
    made = runpy.run_path(str(ROOT / "scripts" / "bundle"))["BUNDLES"]
    made = {name: make for name, make in made.items() if name.startswith(one.name)}
    assert made
    for name, make in made.items():
        assert make() == gzip.decompress((ROOT / "src" / "ostinato" / "data" / "files" / name).read_bytes()), name


# ---------------------------------------------------------------- the readers, on tiny files


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A known set, with other files: name, content, as it lies in the cache."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))

    def make(name, content, **fields):
        one = data.find(name)
        made = {}
        for field, content_of_field in ({"file": content} if isinstance(content, dict) else dict(content)).items():
            box = fetched(tmp_path / field, {f"in/{member}": bytes_ for member, bytes_ in content_of_field.items()}, ("in/*",), "in/")
            box.record.take(box.archive)
            made[field] = box.record
        if name == "verses":
            made = {"modules": tuple(made.values())}
        return dataclasses.replace(one, **made, **fields)

    return make


def all_of(one: PartedSet, method: str):
    """What the method gives for both parts."""
    return [item for part in ("train", "test") for item in getattr(one, method)(part)]


def test_mails_are_read(tiny):
    mails = {f"spam-1/{k}.txt": b"Subject: cheap\n\nbuy %d now" % k for k in range(20)} | {
        "easy-ham-1/x.txt": b"From: a\n\nlunch?",
        "easy-ham-1/y.txt": b"A: b\n\n",
    }
    mails |= {f"spam-2/{k}.txt": b"Subject: again\n\nBuy %d NOW" % k for k in range(20)}
    one = tiny("spam", mails)
    items = all_of(one, "items")
    assert Counter(item.label for item in items) == {"spam": 40, "ham": 1}
    words = [{item.text.casefold() for item in one.items(part)} for part in ("train", "test")]
    assert not words[0] & words[1]  # mails of equal text stay together
    assert "lunch?" in {item.text for item in items}
    assert one.items("train") and one.items("test") and all("cheap" not in item.text for item in items)


BODIES = {
    "headers": (b"Subject: x\nFrom: y\n\nHello\n  there\n", "Hello there"),
    "html": (b"Content-Type: text/html\n\n<p>Buy&nbsp;<b>now</b><script>var x='<b>';</script><!-- no -->3 < 4</p>", "Buy now 3 < 4"),
    "base64": (b"Content-Transfer-Encoding: base64\n\nSGVsbG8=\n", "Hello"),
    "quoted": (b"Content-Type: text/plain; charset=latin-1\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9=\n s", "café s"),
    "unknown encoding": (b"Content-Type: text/plain; charset=no-such\n\ncaf\xe9", "café"),
    "wrong encoding": (b"Content-Type: text/plain; charset=utf-8\n\ncaf\xe9", "café"),
    "nothing": (b"", ""),
    "only an attachment": (b"Content-Type: image/png\n\nabc", ""),
    "plain before html": (
        b"Content-Type: multipart/alternative; boundary=X\n\n--X\n\nplain\n--X\nContent-Type: text/html\n\n<b>rich</b>\n--X--\n",
        "plain",
    ),
}


@pytest.mark.parametrize(("raw", "text"), BODIES.values(), ids=BODIES)
def test_the_words_of_a_mail(raw, text):
    assert body(raw) == text


def test_a_mail_has_no_character_that_ends_strings():
    assert body(b"\n\none\0two") == "one two"


def test_label_before_text_is_read(tiny):
    one = tiny(
        "r8", {"reuters-r8-train.tab": b"Category\tText\nd\tstring\nclass\t\nearn\tup \nacq\tbuys\n\n", "reuters-r8-test.tab": b"a\nb\nc\n"}
    )
    texts, labels = one.texts("train")
    assert texts == ["up ", "buys"] and labels.tolist() == ["earn", "acq"] and one.items("test") == []
    with pytest.raises(DataError, match=r"r8 has no part 'trian'\. Did you mean 'train'\? Parts: train, test"):
        one.texts("trian")


def test_rated_sentences_are_read(tiny):
    rows = {"movie": "1\t2.5\tGood.\r\n2\t-0.1\tBad.\r\n3\t0.0\tSo so.\r\n", "amazon": "1_1\t1\tFine, café.\r\n", "nyt": ""}
    names = dict(zip(("movie", "amazon", "nyt"), data.find("sentiment").members.values(), strict=True))
    nested = tarred({names[key]: text.encode() for key, text in rows.items()})
    one = tiny("sentiment", {data.find("sentiment").inside: nested})
    assert {(item.text, item.label) for item in all_of(one, "items")} == {("Good.", "positive"), ("Bad.", "negative")}
    assert one.texts("products")[0] == ["Fine, café."] and one.ratings("products").tolist() == [1.0] and one.texts("news")[0] == []
    assert one.frame("products").columns.tolist() == ["unique_id", "text", "label", "rating"]


def test_brown_is_read(tiny):
    one = tiny("brown-tags", {"ca01": b"\n\tThe/at-tl dog's/nn$ and/or/cc isn't/bez* ./.\n\n\n\tNo/at\n", "LICENSE": b"not/read this/too"})
    assert [(item.name, item.tokens, item.tags) for item in all_of(one, "items")] == [
        ("ca01:0", ["The", "dog's", "and/or", "isn't", "."], ["DET", "NOUN", "CONJ", "VERB", "."]),
        ("ca01:1", ["No"], ["DET"]),
    ]


@pytest.mark.parametrize(
    ("tag", "simple"),
    [
        ("pp$", "DET"),
        ("pp$$", "PRON"),
        ("*", "ADV"),
        ("---hl", "."),
        ("ppss+bem-nc", "PRON"),
        ("fw-in+at-t", "ADP"),
        ("nns$-tl-hl", "NOUN"),
    ],
)
def test_tags_are_folded(tag, simple):
    assert fold(tag, data.find("brown-tags").simple) == simple


def test_genes_are_read(tiny):
    head = "alpha 0\talpha 7\tdiau a\tdiau b\tspo- early\tfunction\tgene\ncontinuous\nclass\n"
    one = tiny("yeast", {"brown-selected.tab": (head + "?\t1\t2\t?\t?\tRibo\tYAL1\n").encode()})
    both = [one.sequences(part) for part in ("train", "test")]
    (sequence,), (label,) = ([item for part in both for item in part[side]] for side in (0, 1))
    assert sequence[:, 0].tolist() == [1, 1, 2, 2, 0] and label == "Ribo"
    assert [one.features[1:][k] for k in sequence[:, 1:].argmax(axis=1)] == ["alpha", "alpha", "diau", "diau", "spo-"]
    assert carried(["?", "?", "3", "?"], ["a", "a", "b", "b"]) == [0, 0, 3, 3]


def database(chains, version=2):
    """ProMod3's format: a head, the chains, and arrays of all residues' items, which count up where they are not read."""
    head = struct.pack("<II", 1234, version).ljust(0x4D, b"\0") + struct.pack("<Q", len(chains))
    start, count = 0, sum(len(residues) for residues, _ in chains.values())
    for name, (residues, _) in chains.items():
        for word in name.split("_"):
            head += struct.pack("<I", len(word)) + word.encode()
        head += struct.pack("<IHHfff", start, len(residues), 7, 1.5, 2.5, 3.5)
        start += len(residues)
    residues, states = (b"".join(both[side] for both in chains.values()) for side in (0, 1))
    frequencies = np.arange(count * 20, dtype="<i2").tobytes()
    arrays = (residues, bytes(24 * count), bytes(4 * count), bytes(2 * count), bytes(2 * count), states, frequencies, bytes(40 * count))
    return head + b"".join(struct.pack("<Q", count) + array for array in arrays)


def test_the_database_of_structures_is_read(tiny):
    content = database({"1ABC_A": (b"ACD", b"HHC"), "2XYZ_B": (b"WW", b"EB"), "3OUT_A": (b"MMM", b"CCC"), "4TRY_A": (b"KKKK", b"GIST")})
    split = type("Told", (), {"read": lambda self: b"3OUT_A left-out\n4TRY_A test\n"})()
    one = tiny("proteins", {"structure_db.dat": content}, split_list=split, shortest=3)
    assert one.sequences("train") == ([list("ACD")], [list("HHC")]) and one.sequences("test") == ([list("KKKK")], [list("GIST")])
    (profile,) = one.profiles("test")
    assert (profile * SCALE).round().tolist() == np.arange(160, 240).reshape(4, 20).tolist()
    for damaged, why in (
        (content[:-500], "ends too soon"),
        (content[:30], "is no database"),
        (database({}, 3), "is no database"),
        (content[:130], "ends"),
    ):
        with pytest.raises(DataError, match=why):
            broken = tiny("proteins", {"structure_db.dat": damaged}, split_list=split)
            broken.profiles("test")
    assert [three_states(tag) for tag in "HGIEBCST"] == list("HHHEECCC")


def wav(samples, rate=8000, width=2, channels=1):
    written = io.BytesIO()
    with wave.open(written, "wb") as opened:
        opened.setparams((channels, width, rate, 0, "NONE", ""))
        opened.writeframes(np.array(samples, dtype=f"<i{width}").tobytes())
    return written.getvalue()


def test_digits_are_read(tiny):
    one = tiny("digits", {"3_theo_4.wav": wav([0, 16384, -32768]), "3_theo_5.wav": wav([1]), "0_lucas_7.wav": wav([])})
    (test,), train = one.recordings("test"), one.recordings("train")
    assert (test.name, test.speaker, test.label, test.text, test.sampling_rate) == ("3_theo_4", "theo", "3", "3", 8000)
    assert test.samples.tolist() == [0, 0.5, -1] and test.seconds == 3 / 8000
    assert {recording.name for recording in train} == {"3_theo_5", "0_lucas_7"} and len(train[0].samples) == 0
    assert [recording.name for recording in one.by_speaker("theo")[0]] == ["0_lucas_7"]
    assert one.suggested.text is None  # else the command would look for texts
    with pytest.raises(DataError, match="digits has no speaker 'ada'"):
        one.by_speaker("ada")
    with pytest.raises(DataError, match="2 channels of 16 bits"):
        _ = dataclasses.replace(test, wav=wav([0, 0], channels=2)).samples


def test_a_voice_is_read(tiny):
    told = '( ru_1 "Да, \\"так\\"." )\n( ru_2 "Н+ет." )\n'.encode()
    content = {"etc/txt.done.data": told} | {f"wav/ru_{k}.wav": wav([1] * 160, 16000) for k in (1, 2)}
    one = tiny("russian-speech", content | {f"lab/ru_{k}.lab": b"#\n0.005 125 pau\n0.010 125 d\n" for k in (1, 2)})
    recordings = {recording.name: recording for recording in all_of(one, "recordings")}
    assert recordings["ru_2"].text == "Н+ет." and recordings["ru_1"].phones == ((0.0, 0.005, "pau"), (0.005, 0.01, "d"))
    assert phones_of("#\n") == ()
    frame = one.frame()
    assert frame["phones"].tolist() == ["pau d"] * 2 and frame["seconds"].tolist() == [0.01] * 2


def test_prompts_are_read(tiny):
    lines = "; comment\n\nhello: Hello: you.\nbeep: [a beep]\nletters/at: at [@]\nsilent: (note)\ntone: <a tone>\ngone: Gone.\n"
    sound = {f"{name}.wav": wav([1]) for name in ("hello", "beep", "letters/at", "silent", "tone")}
    one = tiny("prompts", {"wavs": sound, "texts": {"core-sounds-en.txt.gz": gzip.compress(lines.encode())}}.items())
    assert {recording.name: recording.text for recording in all_of(one, "recordings")} == {"hello": "Hello: you.", "letters/at": "at"}


def module(books):
    """A zText module: for each book its name and its verses, None for one that is not there."""
    blocks, index, packed = b"", struct.pack("<IIH", 0, 0, 0), b""
    for number, (book, verses) in enumerate(books.items()):
        text = f'<div canonical="true" osisID="{book}" type="book"/>'.encode()
        for verse in verses:
            index += struct.pack("<IIH", number, len(text) if verse else 0, len(verse or b""))
            text += verse or b""
        block = zlib.compress(text)
        blocks += struct.pack("<III", len(packed), len(block), len(text))
        packed += block
    return {"s": blocks, "v": index, "z": packed}


def test_verses_are_read(tiny):
    english = {"Gen": [b"<chapter/>In <w>the</w> <note>x <b>y</b></note>beginning &amp; so", b"Only here"], "Ruth": [b"Now"]}
    added = '<w>dixo</w><transChange type="added">también</transChange><w>y</w> <w>vió</w><transChange type="added">lo</transChange>'
    spanish = {"Gen": [b"En el <title>T</title>principio", None], "Ruth": [added.encode()]}
    modules = {}
    for field, folder, old in zip(("a", "b"), data.find("verses").folders, (english, spanish), strict=True):
        parts = {"ot": module(old), "nt": module({"Matt": [b"x"]})}
        modules[field] = {f"{folder}/{testament}.bz{kind}": part for testament, three in parts.items() for kind, part in three.items()}
    one = tiny("verses", modules.items())
    assert one.pairs("train") == (["In the beginning & so", "x"], ["En el principio", "x"]) and one.pairs("test") == (
        ["Now"],
        ["dixo también y viólo"],
    )
    for damaged in (modules["a"][f"{one.folders[0]}/ot.bzv"][:-1], b"\xff" * 20):
        broken = {**modules, "a": {**modules["a"], f"{one.folders[0]}/ot.bzv": damaged}}
        with pytest.raises(DataError, match="SWORD module cannot be read"):
            tiny("verses", broken.items()).pairs("train")


def test_a_dictionary_is_read(tiny):
    one = tiny("pronunciation", {"cmudict.dict": b"a AH0\na(2) EY1\nd'or D AO1 R # foreign\n"})
    assert [(item.name, item.source, item.target) for item in sorted(all_of(one, "items"))] == [
        ("a", "a", "AH0"),
        ("a(2)", "a", "EY1"),
        ("d'or", "d'or", "D AO1 R"),
    ]


def test_a_hash_divides_everywhere_alike():
    parts = Counter(hashed_part(f"key {k}") for k in range(10_000))
    assert parts == {"train": 7942, "test": 2058}  # on any machine, whatever seeds Python's own hash


def test_json_lines_are_read():
    one = data.find("spam-small")
    rows = [json.loads(line) for line in one.file.read().decode().splitlines()]
    assert {row["part"] for row in rows} == set(one.count) and all(len(row["text"]) <= 1000 for row in rows)
    assert all(hashed_part(row["text"].casefold()) == row["part"] for row in rows if len(row["text"]) < 1000)
