"""Spells the sounds of the International Phonetic Alphabet in English letters.

Bark takes letters. The spelling is one that an English reader would pronounce that way.
"""

import re

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
# The Carnegie Mellon dictionary's names of sounds, and X-SAMPA's signs for them.
_ARPABET = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AX": "ə", "AY": "aɪ", "B": "b",
    "CH": "tʃ", "D": "d", "DH": "ð", "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ",
    "HH": "h", "IH": "ɪ", "IY": "i", "JH": "dʒ", "K": "k", "L": "l", "M": "m", "N": "n",
    "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t",
    "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_SAMPA = {
    "r\\": "ɹ", "@`": "ɚ", "3`": "ɝ", "A": "ɑ", "{": "æ", "V": "ʌ", "@": "ə", "E": "ɛ", "3": "ɜ",
    "I": "ɪ", "O": "ɔ", "Q": "ɒ", "U": "ʊ", "N": "ŋ", "T": "θ", "D": "ð", "S": "ʃ", "Z": "ʒ",
    "9": "œ", "2": "ø", "1": "ɨ", "6": "ɐ", "?": "ʔ", "4": "ɾ", "J": "ɲ", "R": "ʁ", "H": "ɥ",
    "C": "ç", ":": "ː", '"': "ˈ", "%": "ˌ", "_": "",
}  # fmt: skip
_ARPABET_NAMES = ("x-arpabet", "cmu-arpabet", "arpabet", "x-cmu", "cmu")
_LONGEST = max(map(len, _SPELLINGS))


class UnknownPhone(ValueError):
    """A sound has no spelling."""


def spell_phoneme(phones: str, alphabet: str) -> str:
    """Return a spelling of phones in one of the alphabets of SSML.

    Args:
        phones: sounds, as in the attribute `ph`.
        alphabet: "ipa", "x-sampa" or a name of ARPABET, in which spaces divide the sounds.

    Raises:
        UnknownPhone: the alphabet or a sound is unknown; names it.
    """
    name = alphabet.strip().lower()
    if name == "ipa":
        return spell_phones(phones)
    if name == "x-sampa":
        signs = re.findall(r"r\\|[@3]`|.", phones)
        return spell_phones("".join(_SAMPA.get(sign, sign) for sign in signs))
    if name in _ARPABET_NAMES:
        return spell_phones(_from_arpabet(phones))
    raise UnknownPhone(f"the alphabet {alphabet[:32]!r} is unknown: give ipa, x-sampa or x-arpabet")


def _from_arpabet(phones: str) -> str:
    """The phones in IPA, each stress before the consonant before its vowel."""
    ipa: list[str] = []
    for phone in phones.upper().split():
        sound = _ARPABET.get(phone.rstrip("012"))
        if sound is None:
            raise UnknownPhone(f"the sound {phone[:8]!r} is unknown: give a sound of ARPABET")
        if phone == "AH0":
            sound = "ə"
        if phone[-1] in "12":
            ipa.insert(max(0, len(ipa) - 1), "ˈ")
        ipa.append(sound)
    return "".join(ipa)


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
