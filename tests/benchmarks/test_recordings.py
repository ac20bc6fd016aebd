import numpy as np
import pytest

from benchmarks import recordings
from tests import sounds
from tests.wer import word_error_rate
from transcripts.worker import audio


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("one two three", "one two three", [0, 0, 0]),
        ("one two three", "one too three", [0, 1, 0]),
        ("one two three", "one three", [0, 1, 0]),
        ("one two three", "one two and three", [0, 1, 0]),
        ("one two three", "well one two three", [1, 0, 0]),
        ("one two three", "", [1, 1, 1]),
        ("one", "two three one four five", [4]),
    ],
)
def test_it_finds_the_word_at_which_one_erred(said, heard, errors):
    assert recordings.errors_by_word(said.split(), heard.split()) == errors


def test_it_counts_as_many_errors_as_the_word_error_rate_does():
    letters = np.random.default_rng(0).choice(list("abcd"), (20, 2, 30))

    for said, heard in letters:
        rate = sum(recordings.errors_by_word(list(said), list(heard))) / len(said)
        assert rate == word_error_rate(" ".join(said), " ".join(heard))


def test_it_tells_for_each_recording_how_much_was_wrong():
    said = [("good", "talk"), ("day", "talk"), ("good", "reading"), ("night", "reading")]

    assert recordings.compare(said, "Good day, good.") == ({"talk": 0.0, "reading": 0.5}, 0.75)


def test_it_knows_what_is_said_in_a_round(tmp_path):
    one = recordings.Recording("beep", sounds.tone(1), ["a", "beep"])

    mix = recordings.mix([one], tmp_path / "mix.webm", seconds=60)

    assert mix.said == 2 * [("a", "beep"), ("beep", "beep"), ("a", "beep in noise"), ("beep", "beep in noise")]
    assert abs(audio.measure(mix.path) - mix.milliseconds) < 100
    assert mix.milliseconds == 2 * 27_000


def test_noise_is_as_much_softer_as_it_says_and_lies_over_the_silence_too():
    both = sounds.join(sounds.tone(2), sounds.silence(2))

    noise = recordings.noisy(both, np.random.default_rng(0)).astype(float) - both

    tone = np.square(sounds.tone(2).astype(float)).mean()
    for half in np.split(noise, 2, axis=1):
        assert 10 * np.log10(tone / np.square(half).mean()) == pytest.approx(recordings.NOISE_DB, abs=0.3)
