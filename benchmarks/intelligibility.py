"""How much is understood of what a Speaker says: the phones that a Transcriber writes down, beside those that were to be said.

python -m benchmarks.intelligibility VOICE EAR       of `ostinato fit speak russian-speech` and `ostinato fit transcribe russian-speech`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ostinato.data import find_kind
from ostinato.data.recordings import Festvox, Phone, Recording
from ostinato.tasks import Speaker, Transcriber
from ostinato.tasks.griffin_lim import sound_of
from ostinato.tasks.log_mel import Samples
from ostinato.tasks.recording_table import PAUSE
from ostinato.tasks.speech_baselines import MeanPhone
from ostinato.tasks.string_scores import error_rate

Sound = tuple[Samples, int]  # and its sampling rate


def spoken(voice: Speaker, learned: list[Recording], test: list[Recording]) -> Iterator[tuple[str, list[Sound]]]:
    """The test's utterances as they were recorded, and as each way of making them says them."""
    features, phones = voice.features_, phones_of(test)
    yield "recorded", sounds_of(test)
    heard = [features.frames([samples], rate) for samples, rate in sounds_of(test)]
    yield "recorded, through frames", [(sound_of(frames, features), features.sampling_rate) for frames in heard]
    mean = MeanPhone(**vars(features)).fit(phones_of(learned), sounds_of(learned))
    for name, one in (("spoken", voice), ("mean phones", mean)):
        for timed in (True, False):
            said = one.predict(phones, timed=timed)
            yield name + ", true durations" * timed, [(samples, features.sampling_rate) for samples in said]


def phones_of(recordings: list[Recording]) -> list[list[Phone]]:
    return [list(one.phones) for one in recordings]


def sounds_of(recordings: list[Recording]) -> list[Sound]:
    return [(one.samples, one.sampling_rate) for one in recordings]


def main(voice: str, ear: str) -> None:
    """Print the phone error rate of each; pauses are no phones here."""
    data = find_kind("russian-speech", Festvox)
    test, heard = data.recordings("test"), Transcriber.load(ear)
    truth = [[phone.label for phone in one.phones if phone.label != PAUSE] for one in test]
    for name, said in spoken(Speaker.load(voice), data.recordings("train"), test):
        print(f"{name:30}phone error rate {error_rate(truth, heard.predict(said)):.4f}, {len(said)} utterances", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
