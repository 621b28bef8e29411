"""Spells the sounds of the International Phonetic Alphabet in English letters.

Bark takes letters. The spelling is one that an English reader would pronounce that way.
"""

_SPELLINGS = {
    # Vowels, the longest first where one begins with another.
    "aɪə": "ire", "aʊə": "our", "aɪ": "eye", "aʊ": "ow", "eɪ": "ay", "oʊ": "oh", "əʊ": "oh",
    "ɔɪ": "oy", "ɪə": "eer", "eə": "air", "ʊə": "oor", "ɑːɹ": "ar", "ɑɹ": "ar", "ɑːr": "ar",
    "ɑr": "ar", "ɔːɹ": "or", "ɔɹ": "or", "ɔːr": "or", "ɔr": "or", "ɛɹ": "air", "ɛr": "air",
    "ɪɹ": "eer", "ɪr": "eer", "ɜːr": "ur", "ɜːɹ": "ur", "ɜː": "ur", "ɝː": "ur", "iː": "ee",
    "uː": "oo", "ɑː": "ah", "ɔː": "aw", "eː": "ay", "oː": "oh", "aː": "ah", "ɝ": "ur", "ɚ": "er",
    "ɜ": "ur", "ɑ": "ah", "ɒ": "o", "ɔ": "aw", "æ": "a", "ɐ": "uh", "ʌ": "uh", "ə": "uh",
    "ɛ": "e", "ɪ": "i", "ɨ": "i", "ʊ": "oo", "i": "ee", "u": "oo", "e": "ay", "o": "oh", "a": "ah",
    "y": "oo", "ø": "ur", "œ": "ur",
    # Consonants.
    "tʃ": "ch", "t͡ʃ": "ch", "ʧ": "ch", "dʒ": "j", "d͡ʒ": "j", "ʤ": "j", "ts": "ts", "ŋ": "ng",
    "θ": "th", "ð": "th", "ʃ": "sh", "ʒ": "zh", "j": "y", "ɹ": "r", "ɾ": "t", "ɡ": "g", "x": "k",
    "ç": "sh", "ʔ": "", "ɫ": "l", "ɲ": "ny", "ʁ": "r", "ʀ": "r", "ɥ": "w",
    **{letter: letter for letter in "bdfghklmnprstvwz"},
    # Marks: stress, length, ties, syllables and space.
    **dict.fromkeys("ˈˌ", "-"), ".": "-", " ": " ", "-": "-", "ː": "", "ˑ": "", "͡": "", "ʰ": "",
    "̩": "", "/": "", "[": "", "]": "", "\u0303": "n",
}  # fmt: skip
_LONGEST = max(map(len, _SPELLINGS))


class UnknownPhone(ValueError):
    """A sound has no spelling."""


def spell_phones(ipa: str) -> str:
    """Return a spelling.

    Args:
        ipa: sounds, with or without stress, dots between syllables, and slashes around them.

    Raises:
        UnknownPhone: a sound is unknown; names it.
    """
    spelled, place = "", 0
    while place < len(ipa):
        lengths = range(min(_LONGEST, len(ipa) - place), 0, -1)
        length = next((n for n in lengths if ipa[place : place + n] in _SPELLINGS), 0)
        if not length:
            raise UnknownPhone(f"the sound {ipa[place]!r} is unknown: give a spelling")
        spelled += _SPELLINGS[ipa[place : place + length]]
        place += length
    return "-".join(filter(None, spelled.split("-")))
