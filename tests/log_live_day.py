"""Days on which picks of a generation were shown, for tests of what policies came to live."""

from datetime import date

import numpy as np
import polars as pl
from make_impressions import draw_impressions, picks_of

from batch.workspace.generations import read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace


def log_live_day(workspace: Workspace, day: date, generation: int, count: int) -> pl.DataFrame:
    """Log a day of visits that were shown the picks of a generation; users like what they like on explore days."""
    drawn = draw_impressions(workspace, day, 8 * count)  # of which those are kept that show the pick
    picks = picks_of(workspace, generation).select(
        "user_id", "weight", pl.col("arm").cast(pl.Int64), pl.col("title_id", "policy").cast(pl.String)
    )
    shown = drawn.drop("policy").join(picks, on=["user_id", "title_id", "arm"], maintain_order="left").head(count)
    propensity = pl.col("weight") / np.float64(read_manifest(workspace, generation).row_format.total)
    frame = shown.with_columns(generation=pl.lit(generation), propensity=propensity).drop("weight")
    append_impressions(workspace, day, frame)
    return frame
