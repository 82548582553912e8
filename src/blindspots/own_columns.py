"""The user's own columns: what their table of images says beside file, label and split."""

import pandas as pd

from src.data.dataset import METADATA


def own_columns(files: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame | None:
    """The columns of the images of one part, numbers as numbers.

    A column holds numbers if all of its cells do, in both parts, apart from those that are empty: then a word
    means the same in both.

    Args:
        files: of the part, as `src.data.dataset.read_files` returns them.
        others: of the other part.

    Returns:
        Columns by the names they have in the table, float64 or text; NaN where a cell is empty. None where
        the table has no such columns.
    """
    names = [name for name in files if name.startswith(METADATA)]
    columns = {}
    for name in names:
        texts = pd.concat([files[name], others[name]]).str.strip()
        known = texts[texts != ""]
        if len(known) and pd.to_numeric(known, errors="coerce").notna().all():
            columns[name] = pd.to_numeric(files[name].str.strip(), errors="coerce")
        else:
            columns[name] = files[name].mask(files[name].str.strip() == "").astype(object)
    return pd.DataFrame(columns).rename(columns=lambda name: name.removeprefix(METADATA)) if names else None
