"""The phones of CMU flite, the teacher of the bundled model, and which word each belongs to."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.former_semantic import FORMER_PHONES

THIRDS = 3  # of each phone; a semantic token of the bundled model is one of them
PAUSE = FORMER_PHONES.index("pau")
TOKEN = b"R:SylStructure.parent.parent.R:Token.parent"


class _Relation(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("features", ctypes.c_void_p),
        ("utterance", ctypes.c_void_p),
        ("head", ctypes.c_void_p),
    )


class Flite:
    """flite's voice rms, through ctypes (Debian: libflite1)."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("cmulex", "usenglish"):
            ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        self._declare()
        self._lib.flite_init()
        library = ctypes.CDLL("libflite_cmu_us_rms.so.1", mode=ctypes.RTLD_GLOBAL)
        register: Any = library.register_cmu_us_rms
        register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        self._voice = register(None)

    def _declare(self) -> None:
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        for name, result, arguments in (
            ("flite_synth_text", pointer, [text, pointer]),
            ("utt_relation", ctypes.POINTER(_Relation), [pointer, text]),
            ("item_next", pointer, [pointer]),
            ("item_feat_string", text, [pointer, text]),
            ("path_to_item", pointer, [pointer, text]),
            ("delete_utterance", None, [pointer]),
        ):
            function = getattr(self._lib, name)
            function.restype, function.argtypes = result, arguments

    def words(self, text: str) -> tuple[list[int], list[int]]:
        """Return the phones of a text (index into FORMER_PHONES), and the word number of each.

        The number is -1 in pauses.
        """
        lib, phones, numbers, seen = self._lib, list[int](), list[int](), list[int]()
        utterance = lib.flite_synth_text(text.lower().encode("ascii"), self._voice)
        try:
            item = lib.utt_relation(utterance, b"Segment").contents.head
            while item:
                phones.append(FORMER_PHONES.index(lib.item_feat_string(item, b"name").decode()))
                token = lib.path_to_item(item, TOKEN)
                word = ctypes.cast(token, ctypes.POINTER(ctypes.c_void_p))[0] if token else None
                if word is not None and word not in seen:
                    seen.append(word)
                numbers.append(-1 if word is None else seen.index(word))
                item = lib.item_next(item)
            return phones, numbers
        finally:
            lib.delete_utterance(utterance)


def phone_runs(semantic: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the phones of the bundled model's tokens, and for each token its phone's index.

    A token is 3 * phone + third. Phones beyond the last are pauses of the further speakers.
    """
    phone, third = semantic // THIRDS, semantic % THIRDS
    phone = np.where(phone < len(FORMER_PHONES), phone, PAUSE)
    starts = np.ones(len(semantic), bool)
    starts[1:] = (phone[1:] != phone[:-1]) | (third[1:] < third[:-1])
    return phone[starts], np.cumsum(starts) - 1
