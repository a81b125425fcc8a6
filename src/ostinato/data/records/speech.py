"""Recordings."""

from __future__ import annotations

from ..fetched import Fetched
from ..recordings import Digits, Festvox, Prompts

DIGITS = Digits(
    name="digits",
    application="speech",
    title="English digits, spoken by six people",
    source="the Free Spoken Digit Dataset (Jackson et al.), its 3,000 recordings; no registry has it: bring an archive of them",
    licence="CC-BY-SA-4.0",
    caveat="The test has the speakers of the training; by_speaker gives splits with a voice that was never heard.",
    file=Fetched(
        name="digits",
        registry="",
        package="Free Spoken Digit Dataset",
        version="of 3,000 recordings",
        archive="recordings.tar.gz",
        members=("recordings/*.wav", "*/recordings/*.wav"),
        root="recordings/",
        licence="",
        download=15558071,
        size=21446670,
        sha256="33d7268f339d2f63ee699f6335023fb771d2627c3edd6bd0c17e8a4701728e22",
    ),
    count={"train": 2700, "test": 300},
    language="English",
    sampling_rate=8000,
    minutes=21.9,
    speakers=("george", "jackson", "lucas", "nicolas", "theo", "yweweler"),
    split="the source's own: indices 0 to 4 of each digit and speaker are the test",
    test_below=5,
)

VOICE = "usr/share/festival/voices/russian/msu_ru_nsh_clunits/"

RUSSIAN = Festvox(
    name="russian-speech",
    application="speech",
    title="Russian read by one man, with text and phones",
    source="festvox-ru 0.5 of Debian (Shmyrev 2005, a voice of Festival)",
    licence="BSD-like, free of charge and without restriction",
    caveat="One speaker. How the times of the phones were found is not stated. A + in the text stands before a stressed vowel.",
    file=Fetched(
        name="russian-speech",
        registry="Debian",
        package="festvox-ru",
        version="0.5+dfsg",
        archive="festvox-ru_0.5+dfsg-6_all.deb",
        members=(f"{VOICE}wav/*.wav", f"{VOICE}lab/*.lab", f"{VOICE}etc/txt.done.data", "usr/share/doc/festvox-ru/copyright"),
        root=VOICE,
        licence="usr/share/doc/festvox-ru/copyright",
        download=178728512,
        size=192148722,
        sha256="4bd1d22f7e0b919fac1fd3161fc5d584c9f6d44fab06d48dce7c78284a04fb01",
    ),
    count={"train": 564, "test": 56},
    language="Russian",
    sampling_rate=16000,
    minutes=99.5,
    speakers=("nsh",),
    split="a tenth of the utterances for the test, by a hash of the utterance's name; there is no published split",
    labels=54372,
)

PROMPTS = Prompts(
    name="prompts",
    application="speech",
    title="English telephone prompts by one woman, with text",
    source="asterisk-core-sounds-en-wav and asterisk-core-sounds-en 1.6.1 of Debian (Allison Smith)",
    licence="CC-BY-SA-3.0",
    caveat="Many are single words or letters, some are parts of sentences; one text may be spoken twice.",
    wavs=Fetched(
        name="prompts",
        registry="Debian",
        package="asterisk-core-sounds-en-wav",
        version="1.6.1",
        archive="asterisk-core-sounds-en-wav_1.6.1-1_all.deb",
        members=("usr/share/asterisk/sounds/en_US_f_Allison/*.wav", "usr/share/doc/*/copyright"),
        root="usr/share/asterisk/sounds/en_US_f_Allison/",
        licence="usr/share/doc/asterisk-core-sounds-en-wav/copyright",
        download=18272864,
        size=24586343,
        sha256="5f17ed227373576ef92a4dab7f1bc895c1c23c3e513202913aa715ce97c58987",
    ),
    texts=Fetched(
        name="prompts",
        registry="Debian",
        package="asterisk-core-sounds-en",
        version="1.6.1",
        archive="asterisk-core-sounds-en_1.6.1-1_all.deb",
        members=("usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz", "usr/share/doc/*/copyright"),
        root="usr/share/doc/asterisk-core-sounds-en/",
        licence="copyright",
        download=22844,
        size=47623,
        sha256="6156fd87d3d0d36df46c4fe3907712fd0b8e875edbda675963d0737f3d159447",
    ),
    list_of_texts="core-sounds-en.txt.gz",
    count={"train": 445, "test": 108},
    language="English",
    sampling_rate=8000,
    minutes=24.3,
    speakers=("allison",),
    split="a fifth for the test, by a hash of the text; there is no published split",
)
