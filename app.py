"""Composition root: the page, and whatever else answers on its port, in one process.

Start it with `streamlit run app.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from mnist import services


@asynccontextmanager
async def _warm_up(_app: st.App) -> AsyncIterator[dict[str, Any]]:
    # The first visitor should not wait for the network to load.
    await asyncio.to_thread(services.recogniser)
    yield {}


app = st.App(Path(__file__).parent / "mnist" / "ui" / "page.py", lifespan=_warm_up)
