"""The tokenizer of the training code agrees with the exported one."""

from pathlib import Path

from transformers import AutoTokenizer

from training.data.letters import LetterTokenizer, vocabulary
from training.data.texts import HELD_OUT, normal
from training.publish.export import save_tokenizer


def test_held_out_sentences_have_the_right_count_and_length() -> None:
    sentences = HELD_OUT.read_text().splitlines()
    assert len(set(map(normal, sentences))) >= 100
    assert all(4 <= len(sentence.split()) <= 12 for sentence in sentences)


def test_tokenizer_marks_letters_that_continue_a_word() -> None:
    entries = [vocabulary()[index] for index, _ in LetterTokenizer()("it's me")]
    assert entries == ["i", "##t", "'", "s", "m", "##e"]


def test_tokenizer_equals_the_exported_one(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    exported, own = AutoTokenizer.from_pretrained(tmp_path), LetterTokenizer()
    for text in HELD_OUT.read_text().splitlines():
        ids = exported(text, add_special_tokens=False)["input_ids"]
        assert ids == [index for index, _ in own(text.lower())]


def test_exported_tokenizer_accepts_any_text(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    ids = AutoTokenizer.from_pretrained(tmp_path)("5 € naïve 你好 \u0000", add_special_tokens=False)
    assert max(ids["input_ids"]) < len(vocabulary())
