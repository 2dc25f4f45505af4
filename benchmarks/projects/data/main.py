"""A data service: each answer uses numpy, pandas and scipy."""

import numpy as np
import pandas as pd
from fastapi import FastAPI
from scipy import stats

app = FastAPI()
SEEN = pd.DataFrame({"x": np.arange(50), "y": np.arange(50) * 2.0 + np.cos(np.arange(50))})


@app.get("/")
def root() -> dict[str, float | str]:
    """Answer with the slope of the regression line through the data."""
    line = stats.linregress(SEEN["x"], SEEN["y"])
    return {"message": "Hello World", "slope": round(float(line.slope), 3)}
