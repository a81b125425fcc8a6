"""What a transcriber has to beat: one transcript for all, and templates of the symbols laid along the sound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .ctc import Places
from .recordings import is_sound
from .sequence_scaling import spread
from .sequence_settings import SequenceSettings
from .sequences import Numbers, Sequences, read_sequences
from .sound_input import SoundInput
from .string_scores import error_rate
from .transcripts import Alphabet, Transcript, named, read_transcripts

MOST = 100  # recordings among which the middle transcript is looked for, or that are measured
STATES = 3  # frames of a template, each of which may last
ROUNDS = 3  # of laying the templates along the sound, and measuring them anew
TELLING_ROUNDS = 4  # more of them, in what tells the states apart
APART, NEIGHBOURS = 3, 2  # so many frames from one to the next, so many on each side, are heard with a frame
TELLING = 60  # numbers at most in which the states are told apart
RIDGE = 1e-3  # of the spread within the states, for bands that do not change
QUIET = 0.25  # of the way from the quietest to the median frame, below which a frame is first taken for a pause
PENALTIES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # of beginning a symbol, in mean costs of a frame
TRIED = 10  # recordings learned from on which the penalty is chosen
FAR = 1e30
UNHEARD = 1e6  # a mean of a state that no frame was laid on: far from everything


class TranscriptBaseline(BaseEstimator, ABC):  # type: ignore[misc]
    """Transcribes frames `(time, features)` by the transcribers' protocol."""

    column: ClassVar[str]

    def predict(self, X: Any) -> list[Any]:
        """A transcript for each recording."""
        check_is_fitted(self)
        return self._tell(self._read(X))

    def score(self, X: Any, y: Any) -> float:
        """1 less the error rate."""
        data = self._read(X, (y,) if isinstance(y, str) else ())
        return 1 - error_rate(read_transcripts(data, y), self._tell(data))

    def _read(self, X: Any, targets: tuple[str, ...] = (), *, new: bool = False) -> Sequences:
        """Frames as they are, or those of recordings."""
        if not is_sound(X):
            return read_sequences(X, targets=targets)
        if new:
            self.sound_ = SoundInput()
        return self.sound_.read(X, targets, SequenceSettings())  # type: ignore[call-arg]  # all have defaults

    @abstractmethod
    def _tell(self, data: Sequences) -> list[Any]:
        """A transcript for each of them."""


class OneTranscript(TranscriptBaseline):
    """Every recording has the same transcript: that one of those learned from which differs least from the others."""

    column = "one for all"

    def fit(self, X: Any, y: Any) -> Self:
        """Look for it."""
        from rapidfuzz.distance import Levenshtein

        found: list[Transcript] = read_transcripts(self._read(X, (y,) if isinstance(y, str) else (), new=True), y)[:MOST]
        self.transcript_ = min(found, key=lambda one: sum(Levenshtein.distance(one, other) for other in found))
        return self

    def _tell(self, data: Sequences) -> list[Any]:
        return [self.transcript_] * len(data)


class Templates(TranscriptBaseline):
    """Each symbol is a few mean frames in order, and the recording the cheapest way through them (Vintsyuk 1968).

    Templates are found without times: laid evenly along each recording, measured, and laid anew by dynamic programming.
    After some rounds a frame is heard with its neighbours, by those linear maps of them that tell the states apart best
    (Haeb-Umbach and Ney 1992). At most a hundred recordings are measured. A further template is for pauses. After `fit`:
    `alphabet_`, `penalty_`, `means_` `(frames of the pause and of each symbol, features)`, `map_`, None where there is none.
    """

    column = "templates"

    def fit(self, X: Any, y: Any) -> Self:
        """Measure the templates, then choose the penalty of a symbol on some of the recordings."""
        data = self._read(X, (y,) if isinstance(y, str) else (), new=True)
        transcripts = read_transcripts(data, y)
        some = np.linspace(0, len(data) - 1, min(MOST, len(data))).astype(np.intp)
        self.alphabet_ = Alphabet.of(transcripts)
        self.center_, self.scale_ = spread(data.values)
        self.map_: Numbers | None = None
        data, transcripts = data.take(some), [transcripts[k] for k in some.tolist()]
        places = [self.alphabet_.places(one, named(data, k)) for k, one in enumerate(transcripts)]
        scaled, chains = self._scaled(data), [chain(one) for one in places]
        sounds = self._heard(scaled)
        self._measure(sounds, [evenly(sound, one) for sound, one in zip(sounds, places, strict=True)])
        for turn in range(ROUNDS + TELLING_ROUNDS):
            laid = [states[lay(self._costs(sound)[:, states])] for states, sound in zip(chains, sounds, strict=True)]
            if turn >= ROUNDS - 1:
                self.map_ = telling_map(scaled, np.concatenate(laid))
                sounds = self._heard(scaled)
            self._measure(sounds, laid)
        tried = slice(0, TRIED)
        usual = float(np.mean([self._costs(sound).min(axis=1).mean() for sound in sounds[tried]]))
        rates = {one * usual: error_rate(transcripts[tried], [self._say(x, one * usual) for x in sounds[tried]]) for one in PENALTIES}
        self.penalty_ = min(rates, key=lambda one: rates[one])
        return self

    def _scaled(self, data: Sequences) -> list[Numbers]:
        return np.split((data.values - self.center_) / self.scale_, np.cumsum(data.lengths)[:-1])

    def _heard(self, scaled: list[Numbers]) -> list[Numbers]:
        """What the states are told by, of each recording."""
        return scaled if self.map_ is None else [with_neighbours(one) @ self.map_ for one in scaled]

    def _measure(self, sounds: list[Numbers], laid: list[Places]) -> None:
        """The mean of each state; one that no frame was laid on is far from everything."""
        frames, states = np.concatenate(sounds), np.concatenate(laid)
        size = (1 + len(self.alphabet_.symbols)) * STATES
        counts, sums = np.bincount(states, minlength=size), np.zeros((size, frames.shape[1]))
        np.add.at(sums, states, frames)
        self.means_ = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], UNHEARD)

    def _costs(self, frames: Numbers) -> Numbers:
        """How far each frame is from each state, squared: `(time, states)`."""
        return np.asarray((frames**2).sum(1)[:, None] - 2 * frames @ self.means_.T + (self.means_**2).sum(1))

    def _say(self, frames: Numbers, penalty: float) -> Any:
        return self.alphabet_.spell(cheapest(self._costs(frames), penalty))

    def _tell(self, data: Sequences) -> list[Any]:
        return [self._say(frames, self.penalty_) for frames in self._heard(self._scaled(data))]


def with_neighbours(frames: Numbers) -> Numbers:
    """`(time, (2 · NEIGHBOURS + 1) · features)`: each frame with some before and after it."""
    near = np.arange(len(frames))[:, None] + APART * np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    return np.asarray(frames[near.clip(0, len(frames) - 1)].reshape(len(frames), -1))


def telling_map(frames: list[Numbers], states: Places) -> Numbers | None:
    """The linear map of frames with their neighbours that tells the states apart best, `(features, at most TELLING)`."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    often = np.bincount(states)[states] > 1  # a single frame has no spread
    count = len(np.unique(states[often]))
    if count < 2:
        return None
    heard = np.concatenate([with_neighbours(one) for one in frames])
    found = LinearDiscriminantAnalysis(solver="eigen", shrinkage=RIDGE).fit(heard[often], states[often])
    return np.asarray(found.scalings_[:, : min(TELLING, count - 1)])


def evenly(frames: Numbers, places: Places) -> Places:
    """The state of each frame before anything is known: the quietest are pauses, the symbols share the rest in order."""
    states = (places[:, None] * STATES + np.arange(STATES)).ravel()
    loud = frames.mean(axis=1)
    sounding = loud > loud.min() + QUIET * (np.median(loud) - loud.min())
    laid = np.arange(len(frames)) % STATES
    count = int(sounding.sum())
    if count and len(states):
        laid[sounding] = states[np.arange(count) * len(states) // count]
    return laid


def chain(places: Places) -> Places:
    """The states of a transcript in order, with a pause before, after, and between every two symbols."""
    symbols = np.zeros(2 * len(places) + 1, dtype=np.intp)
    symbols[1::2] = places
    return (symbols[:, None] * STATES + np.arange(STATES)).ravel()


def lay(costs: Numbers) -> Places:
    """The cheapest way `(time,)` along a chain `(time, states)`: each frame stays, or goes on; a pause may be left out, and states."""
    time, size = costs.shape
    at = np.arange(size)
    pause = (at // STATES) % 2 == 0
    steps = [1, 2]  # one state on, or one left out
    jump = STATES + 1  # over a pause, from the end of a symbol to the beginning of the next
    allowed = (at % STATES == 0) & ~pause & (at >= jump)
    total, back = np.full(size, FAR), np.zeros((time, size), dtype=np.int8)
    begin = [0, STATES] if size > STATES else [0]  # a transcript of nothing is all pause
    total[begin] = costs[0, begin]
    for t in range(1, time):
        ways = np.full((4, size), FAR)
        ways[0] = total
        for row, step in enumerate(steps, start=1):
            ways[row, step:] = total[:-step] if step < size else FAR
        ways[3, allowed] = total[at[allowed] - jump]
        back[t] = ways.argmin(axis=0)
        total = ways[back[t], at] + costs[t]
    ends = [size - 1] if size == STATES else [size - 1, size - 1 - STATES]
    path = np.empty(time, dtype=np.intp)
    path[-1] = min(ends, key=lambda end: total[end])
    moves = (0, *steps, jump)
    for t in range(time - 1, 0, -1):
        path[t - 1] = path[t] - moves[back[t, path[t]]]
    return path


def cheapest(costs: Numbers, penalty: float) -> Places:
    """The symbols of the cheapest way through all templates `(time, (1 + symbols) · states)`, pauses left out."""
    time, size = costs.shape
    first, last = np.arange(0, size, STATES), np.arange(STATES - 1, size, STATES)
    total = np.full(size, FAR)
    total[first] = costs[0, first]
    origin: NDArray[np.intp] = np.zeros((time, size), dtype=np.intp)
    everywhere = np.arange(size)
    for t in range(1, time):
        ways = np.stack([total, np.concatenate([[FAR], total[:-1]]), np.concatenate([[FAR, FAR], total[:-2]])])
        ways[1:, first] = FAR
        ways[2, first + 1] = FAR
        ending = int(last[total[last].argmin()])
        ways[1, first] = total[ending] + penalty
        best = ways.argmin(axis=0)
        origin[t] = everywhere - best
        origin[t, first[best[first] == 1]] = ending
        total = ways[best, everywhere] + costs[t]
    state, said = int(last[total[last].argmin()]), []
    for t in range(time - 1, -1, -1):
        before = int(origin[t, state]) if t else -1
        if state % STATES == 0 and before != state:
            said.append(state // STATES)
        state = before
    found = np.array(said[::-1], dtype=np.intp)
    return found[found > 0]
