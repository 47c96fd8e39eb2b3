"""The environment as a person writes it."""

from pathlib import Path

import pytest

from mnist.settings import ROOT, BadSetting, Settings


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


def test_the_old_scheme_of_postgresql_is_understood():
    assert Settings.from_environment({"DATABASE_URL": "postgres://u:p@h/n"}).database_url.drivername == "postgresql"


def test_an_unreadable_url_is_told_without_its_password():
    with pytest.raises(BadSetting) as told:
        Settings.from_environment({"DATABASE_URL": "postgresql//me:secret@host"})

    assert "DATABASE_URL" in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("name", ["MAX_UPLOAD_MB", "MAX_IMAGE_MEGAPIXELS"])
@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5"])
def test_a_limit_that_is_no_number_is_named(name, value):
    with pytest.raises(BadSetting, match=name):
        Settings.from_environment({name: value})


def test_every_setting_is_in_the_example_file():
    example = (ROOT / ".env.example").read_text()
    source = (Path(ROOT) / "mnist" / "settings.py").read_text()

    for name in ("DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "MNIST_DIR"):
        assert name in source
        assert name in example
    for name in ("MAX_UPLOAD_MB", "MAX_IMAGE_MEGAPIXELS"):
        assert name in example
