"""Who may administer."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist.web.sign_in import SignIn, TooManyAttempts
from mnist.web.visitor_cookie import owner_of

ME = owner_of({"visitor": "0" * 32}, "192.0.2.1")


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
    assert not sign_in.accepts(sign_in.ticket(sign_in.begin(ME)), ME)


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


def test_an_ipv4_client_on_an_ipv6_socket_is_that_client_and_no_other():
    sign_in = SignIn("right")
    for _ in range(5):
        sign_in.admits("wrong", "::ffff:192.0.2.1")

    assert sign_in.admits("right", "::ffff:192.0.2.2")
    with pytest.raises(TooManyAttempts):
        sign_in.admits("right", "192.0.2.1")


def test_of_many_attempts_at_once_five_are_looked_at():
    sign_in = SignIn("right")

    def guess(number: int) -> bool:
        try:
            return not sign_in.admits(f"wrong {number}", "192.0.2.1")
        except TooManyAttempts:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(guess, range(200))) == 5


def test_right_attempts_use_nothing_up():
    sign_in = SignIn("right")

    assert all(sign_in.admits("right", "192.0.2.1") for _ in range(50))


def test_a_ticket_opens_until_it_is_old_and_for_this_process_only(monkeypatch):
    sign_in = SignIn("right")
    ticket = sign_in.ticket(sign_in.begin(ME))

    assert sign_in.accepts(ticket, ME)
    assert not SignIn("right").accepts(ticket, ME)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3602)
    assert not sign_in.accepts(ticket, ME)


def test_a_sign_in_is_its_owners_and_ends_after_eight_hours(monkeypatch):
    sign_in, start = SignIn("right"), time.monotonic()
    begun = sign_in.begin(ME)

    assert sign_in.is_open(begun, ME)
    assert not sign_in.is_open(begun, owner_of({}, "192.0.2.1"))
    assert not sign_in.is_open(begun, owner_of({"visitor": "0" * 32}, "198.51.100.1"))
    assert not sign_in.is_open(None, ME)
    monkeypatch.setattr(time, "monotonic", lambda: start + 8 * 3600 + 1)
    assert not sign_in.is_open(begun, ME)


def test_a_ticket_ends_with_its_sign_in_and_opens_for_its_owner_only():
    sign_in = SignIn("right")
    begun, other = sign_in.begin(ME), sign_in.begin(ME)
    ticket = sign_in.ticket(begun)

    assert not sign_in.accepts(ticket, owner_of({}, "192.0.2.1"))
    sign_in.end(begun)
    assert not sign_in.accepts(ticket, ME)
    assert sign_in.accepts(sign_in.ticket(other), ME)


def test_guesses_from_all_over_a_large_network_are_counted_together():
    sign_in = SignIn("right")
    for number in range(20):
        sign_in.admits("wrong", f"2001:db8:1:{number:x}::1")

    with pytest.raises(TooManyAttempts):
        sign_in.admits("right", "2001:db8:1:ffff::1")
    assert sign_in.admits("right", "2001:db8:2::1")


@pytest.mark.parametrize("ticket", ["", ".", "9999999999.", "9999999999.0", "nonsense", "٣.٣"])
def test_a_made_up_ticket_opens_nothing(ticket):
    assert not SignIn("right").accepts(ticket, ME)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_neither_locks_the_administrator_out_nor_lets_anybody_guess(monkeypatch, hours):
    gate = SignIn("open sesame")
    for _ in range(5):
        gate.admits("wrong", "192.0.2.1")
    now, steady = time.time(), time.monotonic()

    monkeypatch.setattr(time, "time", lambda: now + 3600 * hours)
    with pytest.raises(TooManyAttempts):
        gate.admits("open sesame", "192.0.2.1")

    monkeypatch.setattr(time, "monotonic", lambda: steady + 61)
    assert gate.admits("open sesame", "192.0.2.1")


def test_in_an_hour_thirty_wrong_attempts_are_looked_at(monkeypatch):
    sign_in, start = SignIn("right"), time.monotonic()

    def attempt(password: str, minute: float) -> bool:
        monkeypatch.setattr(time, "monotonic", lambda: start + 60 * minute)
        return sign_in.admits(password, "192.0.2.1")

    for minute in range(0, 12, 2):
        for _ in range(5):
            attempt("wrong", minute)

    with pytest.raises(TooManyAttempts):
        attempt("right", 15)
    with pytest.raises(TooManyAttempts):
        attempt("right", 59)
    assert attempt("right", 61)
