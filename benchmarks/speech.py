"""Speech: digits and their speakers, Russian phones, English prompts; RNN, GRU and LSTM from three seeds, beside baselines.

    python benchmarks/speech.py [--rows build/speech.jsonl] [--only digits digits-without-theo russian-speech …]

The data must be in the cache: `ostinato data digits --from recordings.tar.gz`, `ostinato data russian-speech --fetch`,
`ostinato data prompts --fetch`. Settings are the catalogue's. A finished row is kept in --rows, one JSON object a line, and
the next run goes on from there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ostinato.data import find_kind
from ostinato.data.recordings import Recording, Recordings
from ostinato.tasks import SequenceClassifier, Transcriber
from ostinato.tasks.parameters import rules
from ostinato.tasks.recording_table import PAUSE
from ostinato.tasks.sequence_baselines import LinearClassifier, NearestClassifier
from ostinato.tasks.sequence_scores import scores_of
from ostinato.tasks.sequence_settings import SequenceSettings
from ostinato.tasks.transcript_baselines import OneTranscript, Templates

CELLS, SEEDS = ("rnn", "gru", "lstm"), (0, 1, 2)
WITHOUT = "digits-without-"
BRIEF = ("accuracy", "error_rate", "word_error_rate")


def parts_of(job: str) -> tuple[Recordings, list[Recording], list[Recording]]:
    """The set, what to learn from, and what to score on: its own parts, or all but one speaker and that one."""
    known = find_kind("digits" if job.startswith(WITHOUT) else job, Recordings)
    if job.startswith(WITHOUT):
        return known, *known.by_speaker(job.removeprefix(WITHOUT))
    return known, known.recordings("train"), known.recordings("test")


def truth_of(known: Recordings, recordings: list[Recording]) -> list[Any]:
    """What is to be told of each."""
    if known.task == "classify":
        return [one.label for one in recordings]
    if known.suggested.symbols:
        return [[phone.label for phone in one.phones if phone.label != PAUSE] for one in recordings]
    return [one.text for one in recordings]


def models_of(job: str, known: Recordings) -> dict[tuple[str, int | None], Any]:
    """Baselines and networks, by name and seed. For a voice that was never heard, each recording's mean is taken off."""
    settings = {name: value for name, value in vars(known.suggested).items() if name in rules(SequenceSettings)}
    settings |= {"per_recording": True} if job.startswith(WITHOUT) else {}
    classify = known.task == "classify"
    kind = SequenceClassifier if classify else Transcriber
    baselines = [NearestClassifier(), LinearClassifier()] if classify else [OneTranscript(), Templates()]
    networks = {(cell, seed): kind(cell, random_state=seed, **settings) for cell in CELLS for seed in SEEDS}
    return {(one.column, None): one for one in baselines} | networks


def main() -> None:
    speakers = [f"{WITHOUT}{one}" for one in find_kind("digits", Recordings).speakers]
    jobs = ["digits", *speakers, "russian-speech", "prompts"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=Path("build/speech.jsonl"))
    parser.add_argument("--only", nargs="+", choices=jobs, default=jobs)
    asked = parser.parse_args()
    asked.rows.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in asked.rows.read_text().splitlines()] if asked.rows.exists() else []
    made = {(row["data"], row["model"], row["seed"]) for row in done}
    for job in asked.only:
        known, learn, test = parts_of(job)
        for (name, seed), one in models_of(job, known).items():
            if (job, name, seed) in made:
                continue
            started = time.perf_counter()
            one.fit(learn, truth_of(known, learn))
            seconds = round(time.perf_counter() - started, 1)
            scores = scores_of(one, test, truth_of(known, test))
            row = {"data": job, "model": name, "seed": seed, **{key: scores[key] for key in BRIEF if key in scores}, "seconds": seconds}
            with asked.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
