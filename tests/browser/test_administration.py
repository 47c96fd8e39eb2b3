"""The administrator's pages, and what they keep from everybody else."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL, text

from mnist.drawing import Drawing
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from mnist.store.model_registry import Registry
from tests.support.pictures import seven
from tests.support.server import running_app
from tests.support.visitor import Visitor

NOW = datetime.now(UTC)


@dataclass
class House:
    """A running application with an administrator, and three drawings by somebody else in its database."""

    address: str
    url: URL
    repository: Repository
    registry: Registry
    labels: Labels
    drawings: dict[str, Drawing] = field(default_factory=dict)

    def find(self, name: str) -> Drawing:
        return self.repository.find(self.drawings[name].id)


@pytest.fixture
def house(tmp_path: Path):
    url = URL.create("sqlite", database=str(tmp_path / "mnist.db"))
    engine = connect(url)
    house = House("", url, Repository(engine), Registry(engine), Labels(engine))
    for minutes, (name, read, label) in enumerate((("right", 7, 7), ("disputed", 7, 1), ("open", 7, None))):
        house.drawings[name] = Drawing(
            image=seven(),
            source="upload",
            predicted_digit=read,
            confidence=0.98,
            probabilities=tuple(0.98 if digit == read else 0.02 / 9 for digit in range(10)),
            verdict="digit",
            model_version=1,
            session_id="somebody else",
            created_at=NOW - timedelta(minutes=minutes),
            true_label=label,
            labelled_at=None if label is None else NOW - timedelta(minutes=minutes),
        )
    house.repository.add_all(list(house.drawings.values()))
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET feedback_processed = true WHERE labelled_at IS NOT NULL"))
        connection.execute(text("UPDATE predictions SET set_aside = 'disputed' WHERE true_label = 1"))
    with running_app(url, tmp_path / "log", ADMIN_PASSWORD="open sesame", MODEL_POLL_SECONDS="1") as address:
        house.address = address
        yield house
    engine.dispose()


@pytest.fixture
def administrator(visit, house) -> Visitor:
    visitor = visit(house.address)
    go(visitor, "Administration")
    sign_in(visitor, "open sesame")
    expect(visitor.button("Sign out")).to_be_visible()
    return visitor


def go(visitor: Visitor, page: str) -> None:
    visitor.page.locator(".st-key-pages a").filter(has_text=page).click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(
        {"History": re.compile("rawings"), "Draw": "Draw a digit"}.get(page, page)
    )


def sign_in(visitor: Visitor, password: str) -> None:
    visitor.page.get_by_label("Password").first.fill(password)
    visitor.button("Sign in").click()


def test_only_the_password_opens_the_administration(visit, house):
    visitor = visit(house.address)
    go(visitor, "Administration")

    sign_in(visitor, "guess")
    expect(visitor.page.get_by_text("That is not the password.")).to_be_visible()
    expect(visitor.page.get_by_text("Disputed labels")).to_have_count(0)
    go(visitor, "History")
    expect(visitor.page.get_by_text("Everybody’s")).to_have_count(0)
    expect(visitor.page.get_by_text("Nothing yet.")).to_be_visible()
    go(visitor, "Model")
    expect(visitor.page.get_by_text("Retrain now")).to_have_count(0)

    go(visitor, "Administration")
    for _ in range(5):
        sign_in(visitor, "guess again")
        visitor.settle()
    sign_in(visitor, "open sesame")
    expect(visitor.page.get_by_text("Too many wrong passwords")).to_be_visible()


def test_signing_out_and_a_new_visit_close_it_again(administrator, house):
    administrator.button("Sign out").click()
    expect(administrator.page.get_by_label("Password").first).to_be_visible()
    sign_in(administrator, "open sesame")
    expect(administrator.button("Sign out")).to_be_visible()

    administrator.page.reload()

    expect(administrator.page.get_by_label("Password").first).to_be_visible()
    expect(administrator.button("Sign out")).to_have_count(0)


def test_without_a_password_on_the_server_there_is_no_administration(visit, shared_app):
    visitor = visit(shared_app[0])

    expect(visitor.page.locator(".st-key-pages a").filter(has_text="Model")).to_be_visible()
    expect(visitor.page.locator(".st-key-pages a").filter(has_text="Administration")).to_have_count(0)


def test_the_administrator_sees_labels_reads_again_and_deletes_anybodys_drawing(administrator, house):
    go(administrator, "History")
    pictures = administrator.page.locator(".st-key-pictures .stButton button")
    expect(pictures).to_have_count(3)
    administrator.page.get_by_role("radio", name="Wrong").click()
    expect(pictures).to_have_count(1)
    pictures.click()

    administrator.labels.filter(has_text="7").click()  # a retraining has looked at it, which stops others
    expect(administrator.page.locator(".answer small.right")).to_be_visible()
    assert (house.find("disputed").true_label, house.find("disputed").feedback_processed) == (7, False)

    administrator.button("Read again").click()
    expect(administrator.page.get_by_text("Version 1 reads it as 7")).to_be_visible()
    assert house.find("disputed").confidence == 0.98  # what was read at first is kept

    administrator.page.get_by_text("Delete this drawing").click()
    administrator.button("Yes, delete it").click()
    expect(administrator.page.get_by_role("heading", level=1)).to_have_text("Drawings")
    assert {each.id for each in house.repository.recent(limit=9)} == {
        house.drawings[name].id for name in ("right", "open")
    }


def test_disputed_labels_are_decided_by_key(administrator, house):
    expect(administrator.page.get_by_text("1 waits.")).to_be_visible()
    expect(administrator.page.locator(".answer .digit")).to_have_text("1")

    administrator.page.keyboard.press("d")

    expect(administrator.page.get_by_text("None. Labels that a retraining does not believe")).to_be_visible()
    [feedback] = [each for each in house.labels.read(9) if each.id == house.drawings["disputed"].id]
    assert (feedback.reviewed, feedback.set_aside) == (True, "revoked")


def test_many_drawings_are_labelled_by_key_and_by_tick(administrator, house):
    page = administrator.page
    several = [
        replace(house.drawings["open"], id=uuid.uuid4(), created_at=NOW - timedelta(hours=1 + each))
        for each in range(5)
    ]
    house.repository.add_all(several)
    expect(administrator.button("It is a 7")).to_be_visible()
    expect(administrator.labels).to_have_count(11)
    page.keyboard.press("4")  # disputed: the network read a 7, a person said 1
    expect(page.get_by_text("The drawing before is stored as 4.")).to_be_visible()
    assert house.find("disputed").true_label == 4

    go(administrator, "History")
    page.get_by_role("radio", name="Not labelled").click()
    expect(page.get_by_text("6 drawings")).to_be_visible()
    page.locator(".st-key-pictures .stButton button").first.click(position={"x": 20, "y": -60})  # on the picture
    expect(administrator.labels).to_have_count(11)
    for key, label in (("2", "2"), ("n", "not a digit")):
        page.wait_for_timeout(800)  # a label that comes sooner counts as a double tap
        page.keyboard.press(key)
        expect(page.get_by_text(f"The drawing before is stored as {label}.")).to_be_visible()
    expect(page.locator(".answer small")).to_have_text("not labelled")
    assert [house.find("open").true_label, house.repository.find(several[0].id).is_labelled] == [2, True]
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(str(several[2].id)))

    page.get_by_text("All drawings").click()
    page.get_by_text("Select several").click()
    tiles = page.locator(".st-key-ticks button")
    expect(tiles).to_have_count(4)
    for at in (0, 3):
        tiles.nth(at).click()
    expect(page.get_by_text("2 ticked")).to_be_visible()
    page.keyboard.press("7")
    expect(page.get_by_text("2 drawings stored as 7.")).to_be_visible()
    expect(tiles).to_have_count(2)
    assert [house.repository.find(several[each].id).true_label for each in (1, 2, 3, 4)] == [7, None, None, 7]


@pytest.mark.parametrize("twice", ["clicks", "a key that is held"])
def test_one_gesture_decides_one_label(administrator, house, twice):
    others = [replace(house.drawings["disputed"], id=uuid.uuid4(), session_id=f"another {each}") for each in range(3)]
    house.repository.add_all(others)
    engine = connect(house.url)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE predictions SET feedback_processed = true, set_aside = 'disputed' WHERE true_label = 1")
        )
    go(administrator, "History")
    go(administrator, "Administration")
    expect(administrator.page.get_by_text("4 wait.")).to_be_visible()

    with engine.connect() as retraining:  # writes meanwhile, so that the first decision has to wait
        retraining.exec_driver_sql("BEGIN IMMEDIATE")
        if twice == "clicks":
            administrator.button("Discard it").dblclick(delay=20)
        else:
            for _ in range(12):
                administrator.page.keyboard.down("d")
                administrator.page.wait_for_timeout(40)
            administrator.page.keyboard.up("d")
        administrator.page.wait_for_timeout(300)
    engine.dispose()

    expect(administrator.page.get_by_text("3 wait.")).to_be_visible()
    expect(administrator.page.get_by_text("The label “1” of the drawing before is discarded.")).to_be_visible()
    administrator.page.wait_for_timeout(1000)
    expect(administrator.page.get_by_text("3 wait.")).to_be_visible()


def test_the_filter_is_still_there_when_the_administrator_comes_back_from_a_drawing(administrator):
    go(administrator, "History")
    administrator.page.get_by_role("radio", name="Wrong").click()
    pictures = administrator.page.locator(".st-key-pictures img")
    expect(pictures).to_have_count(1)
    administrator.page.locator(".st-key-pictures .stButton button").click()
    expect(administrator.answer).to_have_text("7")

    administrator.page.get_by_text("All drawings").click()

    expect(pictures).to_have_count(1)
    expect(administrator.page.get_by_role("radio", name="Wrong")).to_be_checked()


def test_insight_shows_everybody_the_figures_and_only_the_administrator_the_drawings(visit, administrator, house):
    visitor = visit(house.address)
    for person, pictures in ((visitor, 0), (administrator, 2)):
        go(person, "Insight")
        expect(person.page.locator(".stVegaLiteChart")).to_have_count(3)
        expect(person.page.get_by_text("50.0 %").first).to_be_visible()
        mistake = person.page.get_by_role("combobox")
        mistake.press_sequentially("1 read")
        expect(person.page.get_by_role("option", name="1 read as 7")).to_be_visible()
        mistake.press("Enter")
        # Under the mistake that was chosen, and among the surest ones.
        expect(person.page.locator("[class*=st-key-cell] img, [class*=st-key-hardest] img")).to_have_count(pictures)
    expect(visitor.page.locator("img")).to_have_count(0)

    administrator.page.locator(".st-key-hardest .stButton button").click()
    expect(administrator.page.get_by_role("heading", level=1)).to_have_text("A drawing")
    expect(administrator.page.locator(".answer small.wrong")).to_have_text(re.compile("it is 1"))
    expect(administrator.labels).to_have_count(11)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Pacific/Auckland"])
def test_a_day_is_the_same_day_wherever_it_is_looked_at(visit, house, zone):
    visitor = visit(house.address, timezone_id=zone)
    go(visitor, "Insight")
    bar = visitor.page.locator(".stVegaLiteChart").first.locator("path[aria-label]").first
    bar.hover()

    first = min(each.created_at for each in house.drawings.values()).strftime("%b %d, %Y")
    expect(visitor.page.locator("#vg-tooltip-element")).to_contain_text(first)


def test_a_field_of_the_confusion_matrix_can_be_clicked(administrator):
    go(administrator, "Insight")
    field = administrator.page.locator(".stVegaLiteChart").nth(2).locator("canvas, svg").first
    field.scroll_into_view_if_needed()
    administrator.page.wait_for_timeout(1500)
    box = field.bounding_box()
    assert box is not None

    # One column (read as 7), two rows (it is 1, it is 7): the upper field.
    administrator.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] - 52 + 13)

    expect(administrator.page.locator("[class*=st-key-cell] img")).to_have_count(1)


def test_a_retraining_is_started_and_watched(administrator, house):
    go(administrator, "Model")
    expect(administrator.page.get_by_text("0 new labels wait")).to_be_visible()

    administrator.page.get_by_role("button", name="Retrain now").click()

    expect(administrator.page.get_by_text("nothing to do: 0 new labels")).to_be_visible(timeout=60_000)
    expect(administrator.page.get_by_role("button", name="Retrain now")).to_be_enabled()


def test_an_earlier_version_is_served_again(administrator, house):
    house.registry.promote(SHIPPED_WEIGHTS.read_bytes(), {"rows": 1, "people": 1}, parent=1, replaces=1, marks=[])
    administrator.page.wait_for_timeout(2500)
    go(administrator, "Model")
    expect(administrator.page.get_by_text("Version 2 answers now")).to_be_visible()

    administrator.page.get_by_text("Serve another version").click()
    administrator.button("Serve it").click()

    expect(administrator.page.get_by_text("Version 1 serves again")).to_be_visible()
    active = house.registry.active()
    assert active is not None
    assert active.version == 1


def test_labelled_drawings_are_exported_and_imported(administrator, house, tmp_path):
    with administrator.page.expect_download() as download:
        administrator.page.get_by_role("link", name="Export").click()
    path = tmp_path / "out.zip"
    download.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert sum(name.endswith(".png") for name in archive.namelist()) == 2

    house.repository.delete("somebody else", house.drawings["right"].id)
    administrator.page.locator("input[type=file]").set_input_files(path)

    expect(administrator.page.get_by_text("1 drawing added, 1 was here already")).to_be_visible()
    assert house.find("right").true_label == 7

    nonsense = io.BytesIO()
    with zipfile.ZipFile(nonsense, "w") as archive:
        archive.writestr(f"{uuid.uuid4()}.txt", "hello")
    (tmp_path / "other.zip").write_bytes(nonsense.getvalue())
    administrator.page.locator("input[type=file]").set_input_files(tmp_path / "other.zip")
    expect(administrator.page.get_by_text("No labelled pictures are in it.")).to_be_visible()
