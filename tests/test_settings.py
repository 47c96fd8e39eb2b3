"""The environment as a person writes it."""

import re
from dataclasses import replace

import pytest

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

    assert Settings.from_environment(environment).database_url.database == "other.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])  # the second is old, and still handed out
def test_a_url_without_a_driver_takes_the_one_that_is_installed(scheme):
    url = Settings.from_environment({"DATABASE_URL": f"{scheme}://u:p@h/n"}).database_url

    assert url.get_dialect().import_dbapi().__name__ == "psycopg2"


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"])
def test_mysql_and_mariadb_are_spoken_to_by_the_package_that_the_extra_installs(scheme):
    url = Settings.from_environment({"DATABASE_URL": f"{scheme}://u:p@h/n"}).database_url

    assert url.render_as_string(hide_password=False) == "mysql+pymysql://u:p@h/n"


def test_an_unreadable_url_is_told_without_its_password():
    with pytest.raises(BadSetting) as told:
        Settings.from_environment({"DATABASE_URL": "postgresql//me:secret@host"})

    assert "DATABASE_URL" in str(told.value)
    assert "secret" not in str(told.value)


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
    assert settings.cors_origins == ("*",)


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
