"""The output heads of a causal model: which tokens a step chooses from, by row."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.engine.row_state import Rows
from barkserve.engine.sampler import Warpers, sample
from barkserve.models.causal import CausalModel


class Heads:
    """Heads that rows of one batch use in turn.

    Args:
        model: the model.
        ids: for each head the token ids that it chooses from, each (V,) int64, ascending.
        on_host: tensors can be read on the host at no cost, so that unused heads are left out.

    Attributes:
        columns: number of tokens of the largest head.
        modules: one linear layer per head.
    """

    def __init__(self, model: CausalModel, ids: Sequence[NDArray[np.int64]], on_host: bool) -> None:
        self.columns = max(map(len, ids))
        self.modules = [model.head(torch.from_numpy(each)) for each in ids]
        self._model = model
        self._ids = ids
        self._on_host = on_host
        table = np.zeros((len(ids), self.columns), dtype=np.int64)
        for row, each in zip(table, ids, strict=True):
            row[: len(each)] = each
        self._table = torch.from_numpy(table).to(model.lm_head.weight.device)

    def of(self, rows: Rows) -> Tensor:
        """(B,) int64: the head of each row's next token."""
        if len(self.modules) == 1:
            return rows.first_head
        return rows.first_head + rows.drawn % rows.heads

    def column_of(self, token: int | None) -> int:
        """Return the column of a token in the first head; 0 for None."""
        return 0 if token is None else int(np.searchsorted(self._ids[0], token))

    def choose(self, hidden: Tensor, uniforms: Tensor, rows: Rows, warpers: Warpers) -> Tensor:
        """Choose each row's next token.

        Args:
            hidden: (B, hidden), the rows' final states.
            uniforms: (B, 1) float32, their random numbers.
            rows: the rows.
            warpers: what any of them needs.

        Returns:
            (B,) int64.
        """
        head = self.of(rows)
        columns = sample(self.logits(hidden, head), uniforms, rows.sampling, warpers)
        return self.tokens(columns, head)

    def logits(self, hidden: Tensor, head: Tensor) -> Tensor:
        """Compute the logits of each row's head.

        Args:
            hidden: (B, hidden).
            head: (B,) int64.

        Returns:
            (B, V) float32; -inf for columns that a row's head does not have.
        """
        used: Sequence[int] = range(len(self.modules))
        if self._on_host and len(used) > 1:
            used = sorted(set(head.tolist()))
        if len(used) == 1:
            return self._model.logits(hidden, self.modules[used[0]])
        out = hidden.new_full((len(hidden), self.columns), -torch.inf, dtype=torch.float32)
        for number in used:
            logits = self._model.logits(hidden, self.modules[number])
            padded = functional.pad(logits, (0, self.columns - logits.shape[1]), value=-torch.inf)
            out = torch.where((head == number)[:, None], padded, out)
        return out

    def tokens(self, columns: Tensor, head: Tensor) -> Tensor:
        """Return the tokens of (B,) int64 columns of each row's head."""
        if len(self.modules) == 1:
            return self._table.take(columns)
        return self._table.take(head * self.columns + columns)
