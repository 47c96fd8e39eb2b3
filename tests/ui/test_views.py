"""The parts of the page that need no browser."""

import re
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mnist.drawing import Drawing, StorageUnavailable
from mnist.store.administration import MANY
from mnist.store.history import Wanted
from mnist.ui import answer, visitor
from mnist.ui.gallery import as_html, in_brief
from mnist.ui.label_buttons import how_many
from mnist.ui.probabilities import as_percent, counted, probability_bars
from mnist.ui.views import administration, history
from mnist.ui.views import drawing as drawing_view
from mnist.ui.visitor import Unsent, Visit


def drawing(**changes) -> Drawing:
    kept = {
        "image": b"\x89PNG",
        "source": "canvas",
        "predicted_digit": 1,
        "confidence": 0.97,
        "probabilities": (0.1,) * 10,
        "verdict": "digit",
        "model_version": 1,
        "id": uuid.uuid4(),
    }
    return Drawing(**{**kept, **changes})


@pytest.mark.parametrize(("share", "text"), [
    (0.998, "99.8 %"), (0.5, "50.0 %"), (1.0, "> 99.9 %"), (0.99951, "> 99.9 %"), (0.0001, "< 0.1 %"), (0.0, "< 0.1 %"),
])  # fmt: skip
def test_a_percentage_never_claims_certainty(share, text):
    assert as_percent(share) == text


@pytest.mark.parametrize(("part", "text"), [(1_000, "100 %"), (999, "99.9 %"), (1, "0.1 %"), (0, "0 %")])
def test_what_was_counted_may_be_all_or_nothing(part, text):
    assert counted(part, 1_000) == text


def test_a_share_of_all_is_all():
    assert [counted(share, 1, digits=2) for share in (1.0, 0.99999, 0.5)] == ["100 %", "> 99.99 %", "50.00 %"]


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (MANY, "1,000 or more")])
def test_what_is_counted_up_to_a_number_may_be_more(number, text):
    assert how_many(number) == text


def test_a_drawings_link_carries_the_filters_of_its_list():
    one = drawing()

    assert f'href="history?drawing={one.id}&amp;label=Wrong"' in as_html([one], {}, "label=Wrong")
    assert f'href="history?drawing={one.id}"' in as_html([one], {})


@pytest.fixture
def no_state(monkeypatch):
    """Another event has come: whatever uses the session's state is cut short."""

    class Cut:
        def __getattr__(self, name):
            raise AssertionError(f"Streamlit would end this callback at st.session_state.{name}.")

        __getitem__ = __setitem__ = __contains__ = lambda self, *_: self.use

    monkeypatch.setattr("streamlit.session_state", Cut())


def test_the_second_click_of_a_double_one_turns_no_page(monkeypatch, no_state):
    first, second = ((datetime(2026, 11, day, tzinfo=UTC), uuid.uuid4()) for day in (22, 21))
    book = history.Book([None, first])
    monkeypatch.setattr("streamlit.query_params", {})

    history._go_older(book, second)
    history._go_older(book, second)
    assert book.pages == [None, first, second]

    for _ in range(4):
        history._go_newer(book)
    assert book.pages == [None]


def test_the_address_says_which_page_of_the_history_it_is(monkeypatch):
    book, address = history.Book(), {}
    monkeypatch.setattr("streamlit.query_params", address)
    monkeypatch.setattr("streamlit.html", lambda *_, **__: None)
    first, second = ((datetime(2026, 11, day, tzinfo=UTC), uuid.uuid4()) for day in (22, 21))
    assert history._pages(book, Wanted()) == [None]
    history._go_older(book, first)
    at_first = dict(address)
    history._go_older(book, second)
    assert history._pages(book, Wanted()) == [None, first, second]

    address.update(at_first)  # the browser's Back
    assert history._pages(book, Wanted()) == [None, first]
    address.clear()  # a link to the history
    assert history._pages(book, Wanted()) == [None]
    address.update(before=f"{second[0].isoformat()}~{second[1]}")  # back from a drawing, after a reload
    assert history._pages(book, Wanted()) == [None, second]


@pytest.mark.parametrize("waits", [True, False])
def test_a_drawing_whose_label_waits_stays_as_it_was(monkeypatch, waits):
    before, asked = drawing(), {}
    visit = Visit(recognition=SimpleNamespace(drawing=before), unsent=[Unsent(before, 7)] if waits else [])
    monkeypatch.setattr("mnist.ui.visitor.session_id", lambda: "me")
    monkeypatch.setattr("mnist.ui.visitor.keeps", lambda: True)
    found = SimpleNamespace(drawing=before, is_stored=False)
    recogniser = SimpleNamespace(recognise=lambda *_, **how: asked.update(how) or found)
    monkeypatch.setattr("mnist.services.recogniser", lambda: recogniser)

    answer.read(visit, b"one more stroke", source="canvas")

    assert asked["grows_from"] is (None if waits else before)


def test_what_was_stored_is_known_to_the_page_whatever_else_happened_meanwhile(monkeypatch, no_state):
    visit, stored, started_over = Visit(), [], []
    recogniser = SimpleNamespace(correct=lambda drawing, label: stored.append(label))
    monkeypatch.setattr("mnist.services.recogniser", lambda: recogniser)

    answer._label(visit, drawing(), lambda: started_over.append(True), 7)
    assert (stored, started_over, visit.thanks) == ([7], [True], "Thank you! Stored as 7.")

    def unreachable(*_):
        raise StorageUnavailable("The database can’t be reached.")

    recogniser.correct = unreachable
    answer._label(visit, drawing(), lambda: None, 8)
    assert [each.label for each in visit.unsent] == [8]


def test_only_who_touches_the_switch_changes_what_the_browser_remembers(monkeypatch):
    written = []
    monkeypatch.setattr("streamlit.session_state", {})
    monkeypatch.setattr("streamlit.context", SimpleNamespace(cookies={"keep": "no"}))  # chosen in another tab
    monkeypatch.setattr("streamlit.html", lambda script, **_: written.append(re.findall("keep=(yes|no)", script)))
    assert not visitor.keeps()

    visitor.choose_to_keep(True)
    assert written == []
    assert visitor.keeps()

    visitor.visit().switch_touched = True
    for kept in (True, True):
        visitor.choose_to_keep(kept)
    assert written == [["yes"], ["yes"]]


def test_a_held_key_decides_one_label_however_long_the_next_one_takes(monkeypatch, no_state):
    clock, decided, desk = SimpleNamespace(now=100.0), [], administration.Desk()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    queue = SimpleNamespace(review=lambda drawing_id, **_: decided.append(drawing_id))
    monkeypatch.setattr("mnist.services.administration", lambda: queue)
    first, second = drawing(true_label=1), drawing(true_label=1)

    for shown, seconds in [(first, 0), (first, 2), (first, 2), (second, 0.5), (second, 0.5), (second, 1)]:
        if shown is second:
            administration._note_shown(desk)
        clock.now += seconds
        administration._decide(desk, shown, accept=False)

    assert decided == [first.id, second.id]
    assert desk.decided == "The label “1” of the drawing before is discarded."


def test_what_is_deleted_for_good_can_not_be_sent_again(monkeypatch, no_state):
    gone, kept = drawing(), drawing()
    visit = Visit(unsent=[Unsent(gone, 7), Unsent(kept, 8)])
    monkeypatch.setattr("streamlit.query_params", {})
    monkeypatch.setattr("mnist.services.repository", lambda: SimpleNamespace(delete=lambda *_: 1))

    actions = drawing_view.DrawingActions()
    drawing_view._delete(actions, visit, gone, "me")
    assert [each.drawing for each in visit.unsent] == [kept]
    assert actions.deleted == "The drawing is deleted."

    book = history.Book()
    history._delete_all(book, visit, "me")
    assert visit.unsent == []
    assert book.deleted == "One drawing is deleted."


def test_there_is_a_bar_for_each_digit_and_the_likeliest_stands_out():
    bars = probability_bars((0.05,) * 3 + (0.55,) + (0.05,) * 6)

    rows = re.findall(r"<li( class=best|)><span>(\d)</span><i style=\"--share:([\d.]+)\"></i>(.*?)</li>", bars)
    assert [digit for _, digit, _, _ in rows] == list("0123456789")
    assert [row[1:] for row in rows if row[0]] == [("3", "0.5500", "55.0 %")]


LABELLED = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(("changes", "words"), [
    ({}, "not labelled"),
    ({"true_label": 1, "labelled_at": LABELLED}, "✓ it is 1"),
    ({"true_label": 7, "labelled_at": LABELLED}, "✗ it is 7"),
    ({"labelled_at": LABELLED}, "✗ it is not a digit"),
    ({"predicted_digit": None, "verdict": "not_a_digit", "labelled_at": LABELLED}, "✓ it is not a digit"),
    ({"predicted_digit": None, "predicted_number": "20", "true_number": "20", "labelled_at": LABELLED}, "✓ it is 20"),
])  # fmt: skip
def test_the_gallery_says_what_was_read_and_what_it_is(changes, words):
    assert words in as_html([drawing(**changes)], {})


@pytest.mark.parametrize(("changes", "words"), [
    ({}, "1"), ({"true_label": 1, "labelled_at": LABELLED}, "1 ✓"), ({"labelled_at": LABELLED}, "1 ✗ not a digit"),
    ({"predicted_digit": None, "true_label": 7, "labelled_at": LABELLED}, "? ✗ 7"),
])  # fmt: skip
def test_a_button_says_in_brief_whether_a_drawing_was_read_right(changes, words):
    assert in_brief(drawing(**changes)) == words


def test_the_gallery_shows_small_pictures_and_words_where_there_is_none():
    shown, broken, deleted = drawing(), drawing(), drawing()

    html = as_html([shown, broken, deleted], {shown.id: b"RIFF....WEBP", broken.id: b""})

    assert re.findall(r"<img [^>]*>", html) == [
        '<img alt="Drawing read as 1" src="data:image/webp;base64,UklGRi4uLi5XRUJQ">',
        '<img alt="Drawing read as 1">',
        '<img alt="Drawing read as 1">',
    ]


def test_the_gallery_escapes_what_comes_from_the_database():
    hostile = drawing(predicted_number="<script>", true_number="<b>", labelled_at=LABELLED)

    html = as_html([hostile], {})

    assert "<script>" not in html
    assert "<b>&lt;script&gt;</b>" in html
