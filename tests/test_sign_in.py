"""Who may administer."""

import time

import pytest

from mnist import sign_in as sign_in_module
from mnist.sign_in import SignIn, TooManyAttempts


def test_only_the_password_lets_in():
    sign_in = SignIn("pässword")

    assert sign_in.admits("pässword", "192.0.2.1")
    assert not sign_in.admits("password", "192.0.2.1")
    assert not sign_in.admits("", "192.0.2.1")


@pytest.mark.parametrize("password", [None, ""])
def test_without_a_password_nobody_gets_in(password):
    sign_in = SignIn(password)

    assert not sign_in.is_on
    assert not sign_in.admits("", "192.0.2.1")
    assert not sign_in.accepts(sign_in.ticket())


def test_after_five_wrong_attempts_not_even_the_right_one_counts():
    sign_in = SignIn("right")
    for _ in range(5):
        sign_in.admits("wrong", "192.0.2.1")

    with pytest.raises(TooManyAttempts):
        sign_in.admits("right", "192.0.2.1")
    assert sign_in.admits("right", "192.0.2.2")


def test_a_customers_whole_network_counts_as_one():
    sign_in = SignIn("right")
    for number in range(5):
        sign_in.admits("wrong", f"2001:db8::{number}")

    with pytest.raises(TooManyAttempts):
        sign_in.admits("right", "2001:db8::ffff")


def test_right_attempts_use_nothing_up():
    sign_in = SignIn("right")

    assert all(sign_in.admits("right", "192.0.2.1") for _ in range(50))


def test_a_ticket_opens_until_it_is_old_and_for_this_process_only(monkeypatch):
    sign_in = SignIn("right")
    ticket = sign_in.ticket()

    assert sign_in.accepts(ticket)
    assert not SignIn("right").accepts(ticket)
    now = time.time()
    monkeypatch.setattr(sign_in_module.time, "time", lambda: now + 3601)
    assert not sign_in.accepts(ticket)


@pytest.mark.parametrize("ticket", ["", ".", "9999999999.", "9999999999.0", "nonsense", "٣.٣"])
def test_a_made_up_ticket_opens_nothing(ticket):
    assert not SignIn("right").accepts(ticket)
