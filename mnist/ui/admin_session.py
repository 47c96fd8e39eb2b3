"""The administrator's sign-in, remembered for one visit."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from mnist import services
from mnist.ui.session_state import memory
from mnist.web.visitor_cookie import owner_of


@dataclass(slots=True)
class AdminSession:
    """Lasts for one visit: a reload of the page, or another window, asks for the password again."""

    sign_in: str | None = None  # its id


def admin_session() -> AdminSession:
    return memory(AdminSession)


def is_signed_in() -> bool:
    """Whether this visitor gave the administrator's password in this visit, and the sign-in goes on."""
    return services.sign_in().is_open(admin_session().sign_in, _owner())


def begin() -> None:
    """Sign in; call it once the password was right."""
    admin_session().sign_in = services.sign_in().begin(_owner())


def end(session: AdminSession) -> None:
    services.sign_in().end(session.sign_in)
    session.sign_in = None


def ticket() -> str:
    """For a link of the present sign-in."""
    return services.sign_in().ticket(admin_session().sign_in or "")


def address() -> str:
    """The visitor's IP address. Streamlit names none for a browser on the same machine."""
    return st.context.ip_address or "127.0.0.1"


def _owner() -> str:
    return owner_of(st.context.cookies, address())
