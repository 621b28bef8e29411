"""Word errors of recognized text."""

from training.evaluate.word_errors import edits, words, words_after


def test_words_after_counts_only_words_after_the_sentence() -> None:
    said = words("The cat sat, on the mat.")
    assert words_after(said, words("the cat sat on the mat")) == 0
    assert words_after(said, words("the cat sat on the mat the")) == 1
    assert words_after(said, words("a big cat sat on mat")) == 0
    assert words_after(said, words("the cat sat on")) == 0
    assert words_after(said, words("the cat sat on the map")) == 0
    assert words_after(said, words("the cat sat on the mat and so on")) == 3
    assert edits(said, words("the cat sat on mat")) == 1
