"""What else about the faces goes along with their labels."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.calibration import ASKED, MADE

WARN_ABOVE = 0.2
MOST_LEVELS = 8  # of a column that is taken for categories


def confounds(labels: pd.DataFrame, metadata: pd.DataFrame) -> pd.DataFrame:
    """Correlations of the label with the metadata, the largest first.

    Columns of numbers are taken as they are; columns of words, or of three to eight different whole numbers (codes), as
    one column per level. Columns called true_... are no confounds but the truth, and left out.

    Returns
    -------
    `what` (column, or "column = level"), `r` (Pearson; point-biserial for levels), `n` (images), `warn` (|r| > 0.2 and
    distinguishable from 0 at two standard errors).
    """
    degree, table = _labelled(labels, metadata)
    rows = []
    for column in table.columns.drop("image"):
        if str(column).startswith("true_") or (ASKED in table and column in MADE):
            continue
        for what, values in _as_numbers(str(column), table[column], metadata[column].dropna().unique()):
            known = values.notna()
            smile, values = degree[known], values[known]
            if len(values) >= 3 and values.std() > 0 and smile.std() > 0:
                r = float(np.corrcoef(values, smile)[0, 1])
                rows.append((what, r, len(values), abs(r) > max(WARN_ABOVE, 2 / np.sqrt(len(values)))))
    found = pd.DataFrame(rows, columns=["what", "r", "n", "warn"])
    return found.sort_values("r", key=np.abs, ascending=False, ignore_index=True)


def rank_correlations_with_truth(labels: pd.DataFrame, metadata: pd.DataFrame) -> dict[str, float]:
    """Spearman correlation of the label with each true_... column of numbers, for sets whose truth is known."""
    smile, table = _labelled(labels, metadata)
    truths = {
        str(column): pd.to_numeric(table[column], errors="coerce").astype(float)
        for column in metadata.columns
        if str(column).startswith("true_")
    }
    known = {column: truth[truth.notna()] for column, truth in truths.items()}
    return {
        column: float(smile[truth.index].corr(truth, method="spearman"))
        for column, truth in known.items()
        if smile[truth.index].nunique() > 1 and truth.nunique() > 1
    }


def _labelled(labels: pd.DataFrame, metadata: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """The label and the metadata of each image that has both."""
    smile = metadata["image"].map(labels.set_index("image")["smile"]).astype(float)
    return smile[smile.notna()], metadata[smile.notna()]


def _as_numbers(name: str, column: pd.Series, levels: NDArray[Any]) -> list[tuple[str, pd.Series]]:
    words = not pd.api.types.is_numeric_dtype(column)
    codes = not words and 3 <= len(levels) <= MOST_LEVELS and all(float(level).is_integer() for level in levels)
    if words and len(levels) > MOST_LEVELS:  # file names, remarks
        return []
    if words or codes:
        indicators = [
            (f"{name} = {level}", (column == level).astype(float).where(column.notna())) for level in sorted(levels)
        ]
        return indicators[:1] if len(levels) == 2 else indicators
    return [(name, column.astype(float))]
