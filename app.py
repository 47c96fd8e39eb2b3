"""Composition root: serves the page, the API and the health routes on one port, in one process.

Start it with `streamlit run app.py`, or with `uvicorn app:app --port 8501 --no-access-log`: an access log would record
visitors' addresses and the tickets of exports. One process serves everybody: more workers are refused.
"""

from __future__ import annotations

from mnist.web.process import give_memory_back, pause_collector, refuse_more_workers, resume_collector, tidy_up

pause_collector()  # during the imports

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
import streamlit.logger
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from streamlit.runtime import get_instance
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mnist import services
from mnist.api import make_routes
from mnist.model.weights_file import UnusableWeights
from mnist.settings import BadSetting
from mnist.ui import pad_files
from mnist.web import logs
from mnist.web.compressed_files import CompressedFiles
from mnist.web.first_page import FirstPage
from mnist.web.page_limits import SessionLimits, UploadLimits
from mnist.web.request_filter import RequestFilter
from mnist.web.security_headers import SecurityHeaders
from mnist.web.sockets import allow_many_connections, answer_without_delay
from mnist.web.stalled_connections import end_stalled, note_connections
from mnist.web.visitor_cookie import VisitorCookie

log = logging.getLogger(__name__)


@asynccontextmanager
async def _warm_up(_app: st.App) -> AsyncIterator[dict[str, Any]]:
    allow_many_connections()
    answer_without_delay()
    give_memory_back()
    pause_collector()
    # Done now so that the first visitor need not wait; in parallel it is 0.03 s faster on two cores.
    await asyncio.gather(asyncio.to_thread(_load_network), asyncio.to_thread(_import_pages))
    resume_collector()
    lasting = [
        asyncio.create_task(tidy_up(_forget_sessions)),
        asyncio.create_task(end_stalled(settings.stalled_seconds)),
    ]
    yield {}
    for each in lasting:
        each.cancel()
    logs.tell_repeats()


def _forget_sessions() -> None:
    # Streamlit has no public way: its storage drops what has expired when the next session is put into it.
    get_instance()._session_mgr._session_storage._cache.expire()  # type: ignore[attr-defined]


def _forget_file(session: str, file: str) -> None:
    get_instance().uploaded_file_mgr.remove_file(session, file)  # type: ignore[attr-defined]


def _load_network() -> None:
    try:
        services.recogniser()
    except (FileNotFoundError, UnusableWeights) as error:
        log.error("No model is loaded, so /readyz says 503: %s", error)


def _import_pages() -> None:
    for module in ("mnist.ui.views.administration", "mnist.ui.views.history", "mnist.ui.views.recognise"):
        importlib.import_module(module)


refuse_more_workers(sys.argv, os.environ)
# Nobody else on the machine reads the database's files; a group may.
os.umask(os.umask(0) | 0o027)
try:
    settings = services.settings()
except BadSetting as error:
    raise SystemExit(str(error)) from None

logs.configure(as_json=settings.request_log)
streamlit.logger.setup_formatter = logs.hand_over  # for the loggers of what it imports later
note_connections(AutoHTTPProtocol)

app = st.App(
    Path(__file__).parent / "mnist" / "ui" / "main.py",
    lifespan=_warm_up,
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(RequestFilter, settings.domains, settings.cors_origins, settings.metrics_token),
        Middleware(VisitorCookie),
        Middleware(SessionLimits, settings.sessions_per_address),
        Middleware(UploadLimits, _forget_file),
        Middleware(
            FirstPage,
            icons=pad_files.FOLDER / "icons.woff2",
            no_letters=pad_files.FOLDER / "empty.woff2",
            title="Draw a digit",
            scripts=(pad_files.KEYS,),
            pad=pad_files.PAD,
            canvas=pad_files.CANVAS,
            widgets=pad_files.widget_modules(),
            preview=pad_files.PREVIEW,
            watch=pad_files.CONNECTION,
        ),
        Middleware(CompressedFiles),
    ],
    routes=[
        Mount("/pad", StaticFiles(directory=pad_files.FOLDER)),
        *make_routes(
            services.recogniser,
            settings,
            services.metrics(),
            services.administration,
            services.sign_in,
            services.storing,
        ),
    ],
)
resume_collector()
