"""Token ids of a Bark processor as the text that gives the same ids.

The server takes text and has the tokenizer itself. Decoding does not restore the spaces, which
BERT's tokenizer does not keep either. Each text is therefore encoded again and compared: it gives
exactly these ids, or it is an error.
"""

from typing import Any

from barkclient.errors import InvalidRequest


def texts_of_tokens(tokenizer: Any, input_ids: Any, attention_mask: Any | None) -> list[str]:
    """Decode the rows of a batch.

    Args:
        tokenizer: a tokenizer of transformers.
        input_ids: (texts, tokens) ids without the model's offset.
        attention_mask: (texts, tokens), 0 at the padding; None: the ids have no padding.

    Raises:
        InvalidRequest: a shape is wrong, or no text gives these ids.
    """
    rows = _rows("input_ids", input_ids)
    masks = [[1] * len(row) for row in rows]
    if attention_mask is not None:
        masks = _rows("attention_mask", attention_mask)
    if [len(row) for row in rows] != [len(mask) for mask in masks]:
        raise InvalidRequest.of_field("attention_mask", "must have the shape of input_ids")
    return [_text(tokenizer, row, mask) for row, mask in zip(rows, masks, strict=True)]


def _rows(field: str, batch: Any) -> list[list[int]]:
    rows = batch.tolist() if hasattr(batch, "tolist") else batch
    if not all(isinstance(row, list | tuple) for row in rows) or not all(
        isinstance(number, int) for row in rows for number in row
    ):
        raise InvalidRequest.of_field(field, "must be integers in 2-D: one row for each text")
    return [list(row) for row in rows]


def _text(tokenizer: Any, row: list[int], mask: list[int]) -> str:
    length = sum(mask)
    if mask != [1] * length + [0] * (len(mask) - length):
        raise InvalidRequest.of_field("attention_mask", "must be ones, then zeros")
    ids = row[:length]
    unknown = tokenizer.unk_token_id
    special = {*tokenizer.all_special_ids} - {unknown}
    if special & {*ids}:
        raise InvalidRequest.of_field(
            "input_ids", "has padding or other special tokens: give the attention_mask too"
        )
    if unknown in ids and tokenizer.convert_tokens_to_ids("0") == unknown:
        raise InvalidRequest.of_field(
            "input_ids",
            "has characters that the tokenizer does not know: give generate() the text itself,"
            " which the server spells out",
        )
    for clean_up in (True, False):
        text: str = tokenizer.decode(ids, clean_up_tokenization_spaces=clean_up)
        if tokenizer(text, add_special_tokens=False)["input_ids"] == ids:
            return text
    raise InvalidRequest.of_field(
        "input_ids", "is not what the tokenizer makes of any text: give generate() the text itself"
    )
