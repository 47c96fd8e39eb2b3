"""The environment as a person writes it."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from mnist import settings
from mnist.settings import ROOT, BadSetting, Settings

LEARNING = (
    "RETRAIN_MIN_FEEDBACK",
    "RETRAIN_MAX_LABELS",
    "LABELS_PER_SESSION",
    "LABELS_PER_DIGIT",
    "MODEL_POLL_SECONDS",
)
LIMITS = ("MAX_UPLOAD_MB", "MAX_IMAGE_MEGAPIXELS", "MAX_BATCH_MB", "MAX_BATCH_MEGAPIXELS", "UPLOAD_SECONDS", *LEARNING)
NAMES = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', (ROOT / "mnist" / "settings.py").read_text()))
EXAMPLE = (ROOT / ".env.example").read_text()
SHOWN = re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)


def test_an_empty_environment_means_sqlite_in_the_data_folder():
    settings = Settings.from_environment({})

    assert settings.database_url.drivername == "sqlite"
    assert settings.database_url.database == str(ROOT / "data" / "mnist.db")
    assert settings.mnist_dir == ROOT / "data"


def test_a_host_alone_means_postgresql_through_psycopg2():
    url = Settings.from_environment({"DB_HOST": "db"}).database_url

    assert url.render_as_string(hide_password=False) == "postgresql+psycopg2://postgres@db:5432/mnist"


def test_the_parts_of_the_reference_deployments_make_a_url():
    url = Settings.from_environment(
        {"DB_HOST": "db", "DB_PORT": "5433", "DB_NAME": "digits", "DB_USER": "me", "DB_PASSWORD": "p@ss/word"}
    ).database_url

    assert (url.port, url.database, url.username, url.password) == (5433, "digits", "me", "p@ss/word")


def test_a_url_goes_before_the_parts():
    environment = {"DATABASE_URL": "sqlite:///other.db", "DB_HOST": "db"}

    # Beside app.py, wherever the command was started.
    assert Settings.from_environment(environment).database_url.database == str(ROOT / "other.db")


@pytest.mark.parametrize("database", ["/var/lib/digits.db", ":memory:", "file:digits.db?mode=ro&uri=true", ""])
def test_what_is_no_relative_path_stays_as_it_is(database):
    url = Settings.from_environment({"DATABASE_URL": f"sqlite:///{database}"}).database_url

    assert url == make_url(f"sqlite:///{database}")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])  # the second is old, and still handed out
def test_a_url_without_a_driver_takes_the_one_that_is_installed(scheme):
    url = Settings.from_environment({"DATABASE_URL": f"{scheme}://u:p@h/n"}).database_url

    assert url.get_dialect().import_dbapi().__name__ == "psycopg2"


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"])
def test_mysql_and_mariadb_are_spoken_to_by_the_package_that_the_extra_installs(scheme):
    url = Settings.from_environment({"DATABASE_URL": f"{scheme}://u:p@h/n"}).database_url

    assert url.render_as_string(hide_password=False) == "mysql+pymysql://u:p@h/n"


def test_an_unreadable_url_is_told_without_its_password():
    for url in (
        "postgresql//me:secret@host",
        "postgresql://me:sec:ret@ret:ret@host:5432/mnist",
        "postgresql://me:sec@ret@host:5432/mnist",  # read as the host ret@host
        "postgresql://me:sec@ret/ret@host/mnist",  # read as the host ret
        "mysql://me:sec@ret@host/mnist",
        "sqlite://me:secret@host/file.db",
    ):
        with pytest.raises(BadSetting) as told:
            Settings.from_environment({"DATABASE_URL": url})

        assert "DATABASE_URL" in str(told.value)
        assert "%40 for @" in str(told.value)
        assert not [part for part in ("sec", "ret") if part in str(told.value)]
        assert told.value.__cause__ is None
        assert told.value.__suppress_context__ or told.value.__context__ is None


def test_what_is_no_part_of_the_password_may_have_its_signs():
    for url in ("postgresql://me:p%40ss@h/n?application_name=a@b@c", "sqlite:////tmp/a@b@c.db"):
        Settings.from_environment({"DATABASE_URL": url})


@pytest.mark.parametrize("scheme", ["oracle", "mssql+pyodbc", "postgresql+asyncpg", "nothing"])
def test_a_database_without_a_driver_is_told_without_its_password(scheme):
    with pytest.raises(BadSetting) as told:
        Settings.from_environment({"DATABASE_URL": f"{scheme}://me:secret@host/name"})

    assert f"{scheme}://" in str(told.value)
    assert "secret" not in str(told.value)


def test_a_file_of_settings_that_may_not_be_read_is_told_with_the_remedy(monkeypatch, somebody_else):
    file = somebody_else / ".env"
    file.write_text("DB_PASSWORD=secret")
    file.chmod(0)
    monkeypatch.setattr("mnist.settings.ROOT", somebody_else)

    with pytest.raises(BadSetting, match="can't be read by user") as told:
        Settings.from_environment()

    assert "chmod 640" in str(told.value)


def test_the_application_does_not_start_with_such_and_says_why_in_one_line():
    environment = {**os.environ, "DATABASE_URL": "postgresql://me:sec@ret@host/mnist"}

    done = subprocess.run(
        [sys.executable, "-c", "import app"], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if "DATABASE_URL" in line or "Traceback" in line] == [
        done.stderr.splitlines()[-1]
    ]
    assert done.stderr.splitlines()[-1].startswith("DATABASE_URL can't be read.")


def test_a_file_of_settings_that_is_no_text_is_told(monkeypatch, tmp_path):
    (tmp_path / ".env").write_bytes(b"ADMIN_PASSWORD=\xff\xfe")
    monkeypatch.setattr("mnist.settings.ROOT", tmp_path)

    with pytest.raises(BadSetting, match="UTF-8"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("given", "folder"), [("pictures", ROOT / "pictures"), ("/mnt/pictures", Path("/mnt/pictures"))]
)
def test_a_folder_is_looked_for_beside_the_application_wherever_it_is_started(given, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    assert Settings.from_environment({"MNIST_DIR": given}).mnist_dir == folder


@pytest.mark.parametrize("name", [*LIMITS, "RATE_LIMIT", "RETRAIN_THREADS", "DB_PORT"])
@pytest.mark.parametrize("value", ["99999999999999999999", "1000000001", "9" * 5000])
def test_a_number_that_is_too_large_is_named_with_the_largest(name, value):
    with pytest.raises(BadSetting, match=f"{name} is .* at most [0-9,]+") as told:
        Settings.from_environment({"DB_HOST": "db", name: value})

    assert len(str(told.value)) < 200


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5"])
def test_a_limit_that_is_no_number_is_named(name, value):
    with pytest.raises(BadSetting, match=name):
        Settings.from_environment({name: value})


def test_every_setting_is_in_the_example_file():
    assert "ADMIN_PASSWORD" in NAMES
    for name in NAMES:
        assert re.search(rf"^#?{name}=", EXAMPLE, re.MULTILINE), name


@pytest.mark.parametrize(("name", "value"), [line for line in SHOWN if line[0] in NAMES - {"DATABASE_URL", "DB_HOST"}])
def test_a_value_in_the_example_file_is_the_default(name, value):
    base = {"DB_HOST": "localhost"} if name.startswith("DB_") else {}  # only with it do the others count
    default, shown = Settings.from_environment(base), Settings.from_environment({**base, name: value})

    assert replace(shown, mnist_dir=ROOT / shown.mnist_dir) == default


def test_the_api_is_open_and_quiet_by_default_but_limited():
    settings = Settings.from_environment({"API_KEY": " "})

    assert (settings.api_key, settings.rate_limit, settings.request_log) == (None, 600, False)
    assert settings.cors_origins == ()


def test_a_rate_limit_of_0_means_none():
    assert Settings.from_environment({"RATE_LIMIT": "0"}).rate_limit == 0


def test_web_sites_are_separated_by_spaces_or_commas():
    settings = Settings.from_environment({"CORS_ORIGINS": "https://a.example, https://b.example"})

    assert settings.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize("name", ["API_KEY", "ADMIN_PASSWORD"])
def test_a_secret_is_never_shown(name):
    assert "secret" not in repr(Settings.from_environment({name: "secret"}))


@pytest.mark.parametrize(("name", "value"), [("RATE_LIMIT", "-1"), ("RATE_LIMIT", "many"), ("REQUEST_LOG", "maybe")])
def test_an_api_setting_that_can_not_be_used_is_named(name, value):
    with pytest.raises(BadSetting, match=name):
        Settings.from_environment({name: value})


def test_a_retraining_leaves_one_core_by_default():
    assert Settings.from_environment({}).retrain_threads == 0


@pytest.mark.parametrize("line", ["DB_HOST: db", "DB_HOST", "DB_HOST='db", "- DB_HOST=db"])
def test_a_line_of_the_file_that_sets_nothing_ends_the_start(monkeypatch, tmp_path, line):
    (tmp_path / ".env").write_text(f"# a remark\nRATE_LIMIT=7\n\n{line}\n")
    monkeypatch.setattr(settings, "ROOT", tmp_path)

    with pytest.raises(BadSetting, match="line 4"):
        Settings.from_environment()


def test_a_file_of_remarks_and_settings_is_read(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("# a remark: one\n\nRATE_LIMIT=7 # seven\nexport API_KEY='a b'\nADMIN_PASSWORD=\n")
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    for name in ("RATE_LIMIT", "API_KEY"):
        monkeypatch.delenv(name, raising=False)

    assert (Settings.from_environment().rate_limit, Settings.from_environment().api_key) == (7, "a b")


def test_the_password_of_the_example_file_ends_the_start():
    [placeholder] = re.findall(r"^DB_PASSWORD=(.*)$", EXAMPLE, re.MULTILINE)

    with pytest.raises(BadSetting, match="DB_PASSWORD"):
        Settings.from_environment({"DB_HOST": "db", "DB_PASSWORD": placeholder})


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("", ()),
        (":80", ()),
        ("localhost", ()),
        ("digits.example.org", ("digits.example.org",)),
        ("https://A.example:8443, *.b.example", ("a.example", "*.b.example")),
    ],
)
def test_the_domain_is_read_as_the_proxy_reads_it(domain, names):
    assert Settings.from_environment({"DOMAIN": domain}).domains == names


def test_without_a_key_no_other_site_may_use_its_visitors_browsers():
    assert Settings.from_environment({}).cors_origins == ()
    assert Settings.from_environment({"API_KEY": "key"}).cors_origins == ("*",)
    assert Settings.from_environment({"CORS_ORIGINS": "https://a.example"}).cors_origins == ("https://a.example",)
