import pytest

from tests.wer import word_error_rate


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("It's all well-said.", "its ALL well said", 0.0),
        ("one two three four", "one too three four", 0.25),
        ("one two three four", "one three four", 0.25),
        ("one two three four", "one two two three four", 0.25),
        ("one two", "", 1.0),
    ],
)
def test_it_counts_words_that_were_changed_left_out_or_added(said, heard, rate):
    assert word_error_rate(said, heard) == rate
