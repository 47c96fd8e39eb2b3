"""The administrator's sign-in, remembered for one visit."""

from __future__ import annotations

from dataclasses import dataclass

from mnist import services
from mnist.ui.session_state import memory


@dataclass(slots=True)
class AdminSession:
    """Lasts for one visit: a reload of the page, or another window, asks for the password again."""

    is_signed_in: bool = False


def admin_session() -> AdminSession:
    return memory(AdminSession)


def is_signed_in() -> bool:
    """Whether this visit gave the administrator's password and administration is still switched on."""
    return services.sign_in().is_on and admin_session().is_signed_in
