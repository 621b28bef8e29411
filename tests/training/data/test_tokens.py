"""The trainer's tokenizer and the exported one agree."""

from pathlib import Path

from transformers import AutoTokenizer

from training.data.texts import HELD_OUT, normal
from training.data.tokens import LetterTokenizer, vocabulary
from training.publish.export import save_tokenizer


def test_held_out_sentences_are_enough_and_of_the_right_length() -> None:
    sentences = HELD_OUT.read_text().splitlines()
    assert len(set(map(normal, sentences))) >= 100
    assert all(4 <= len(sentence.split()) <= 12 for sentence in sentences)


def test_letters_start_or_continue_a_word() -> None:
    entries = [vocabulary()[index] for index, _ in LetterTokenizer()("it's me")]
    assert entries == ["i", "##t", "'", "s", "m", "##e"]


def test_agrees_with_the_exported_tokenizer(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    exported, ours = AutoTokenizer.from_pretrained(tmp_path), LetterTokenizer()
    for text in HELD_OUT.read_text().splitlines():
        ids = exported(text, add_special_tokens=False)["input_ids"]
        assert ids == [index for index, _ in ours(text.lower())]


def test_any_text_can_be_tokenized(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    ids = AutoTokenizer.from_pretrained(tmp_path)("5 € naïve 你好 \u0000", add_special_tokens=False)
    assert max(ids["input_ids"]) < len(vocabulary())
