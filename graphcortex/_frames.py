"""Tables of users in one form: what a column means does not depend on how its values are stored."""

from __future__ import annotations

import numpy as np
import pandas as pd


def numpy_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with NumPy's dtypes for categories, pandas' nullable and text dtypes, Arrow's, and objects that are numbers.

    Grouping, merging and sorting treat a category, a nullable integer and an ``int64`` differently, though their values are the
    same. Here they are the same: numbers become int64, float64 or bool, text becomes objects, and missing values become NaN.

    Args:
        frame: Any table. It is not changed.

    Returns:
        The table, with the index and the columns in the order of ``frame``. Columns that have a NumPy dtype are not copied.

    Example:
        >>> frame = pd.DataFrame({"seed": pd.Categorical([3, 1]), "task": pd.array(["a", None], dtype="string")})
        >>> numpy_columns(frame).dtypes.astype(str).to_dict()
        {'seed': 'int64', 'task': 'object'}
    """
    result = frame.copy(deep=False)
    for place, dtype in enumerate(frame.dtypes):
        if not isinstance(dtype, np.dtype) or dtype.kind == "O":
            column = frame.iloc[:, place].astype(object)
            missing = column.isna()
            result.isetitem(
                place, column.mask(missing, np.nan).infer_objects() if missing.any() else column.infer_objects()
            )
    return result
