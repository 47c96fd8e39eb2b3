"""Reads the environment and the file .env beside app.py into Settings; nothing else reads os.environ."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

ROOT = Path(__file__).resolve().parent.parent

MOST = 1_000_000_000  # upper bound for every integer setting, well below what timers and counters accept

PLACEHOLDERS = ("choose-one-before-the-first-start",)  # passwords of .env.example

_DRIVERS = {
    **dict.fromkeys(("postgres", "postgresql"), "postgresql+psycopg2"),
    **dict.fromkeys(("mysql", "mariadb", "mariadb+pymysql"), "mysql+pymysql"),
}


class BadSetting(ValueError):
    """A setting has an invalid value; the message names it and says what is expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `.env.example` documents each variable with its default and unit."""

    database_url: URL
    mnist_dir: Path  # holds MNIST/raw/*.gz
    pendigits_dir: Path  # holds people's pen strokes, for training
    max_upload_bytes: int
    max_image_pixels: int
    max_batch_bytes: int  # of the request body
    max_batch_pixels: int  # of all pictures of a batch together
    upload_seconds: int  # maximum duration of one upload to the API
    stalled_seconds: int  # after which a connection without progress ends
    rate_limit: int  # API requests per minute and client; 0: no limit
    sessions_per_address: int  # open pages of one client; 0: no limit
    api_key: str | None = field(repr=False)  # None: the API is open
    admin_password: str | None = field(repr=False)  # None: administration is disabled
    cors_origins: tuple[str, ...]  # origins whose pages may call the API; ("*",): any
    domains: tuple[str, ...]  # host names by which browsers may ask, besides addresses and names without a dot; (): any
    metrics_token: str | None = field(repr=False)  # None: metrics are for private addresses only
    stored_bytes_per_minute: int  # of new pictures of one client; 0: no limit
    stored_bytes_per_day: int  # the same
    database_bytes: int  # beyond which nothing new is kept; 0: no limit
    backup_mark: Path | None  # a file that every good backup touches
    request_log: bool  # whether API requests are logged on stdout
    retrain_min_feedback: int  # a retraining does nothing with fewer new labels
    retrain_max_labels: int  # maximum number that one retraining reads
    retrain_threads: int  # 0: one fewer than the number of cores
    labels_per_session: int  # maximum that a retraining accepts from one session
    labels_per_digit: int  # the same for one digit, or three times the mean over the digits if that is more
    model_poll_seconds: int  # interval at which a process checks for a new active version

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the process environment, or else .env for variables that it lacks, so that cron and a shell agree.

        environment: used instead of both when given. Raises BadSetting when a value is invalid.
        """
        if environment is None:
            environment = {**_from_file(ROOT / ".env"), **os.environ}
        return cls(
            database_url=_database_url(environment),
            # A relative path starts at app.py's folder, whatever the working directory, for example under cron.
            mnist_dir=ROOT / Path(environment.get("MNIST_DIR") or "data").expanduser(),
            pendigits_dir=ROOT / Path(environment.get("PENDIGITS_DIR") or "data/pendigits").expanduser(),
            max_upload_bytes=_positive(environment, "MAX_UPLOAD_MB", 10) * 2**20,
            max_image_pixels=_positive(environment, "MAX_IMAGE_MEGAPIXELS", 40) * 1_000_000,
            max_batch_bytes=_positive(environment, "MAX_BATCH_MB", 20) * 2**20,
            max_batch_pixels=_positive(environment, "MAX_BATCH_MEGAPIXELS", 200) * 1_000_000,
            upload_seconds=_positive(environment, "UPLOAD_SECONDS", 30),
            stalled_seconds=_positive(environment, "STALLED_SECONDS", 30),
            rate_limit=_whole(environment, "RATE_LIMIT", 600),
            sessions_per_address=_whole(environment, "SESSIONS_PER_ADDRESS", 200),
            api_key=(environment.get("API_KEY") or "").strip() or None,
            admin_password=(environment.get("ADMIN_PASSWORD") or "").strip() or None,
            cors_origins=_origins(environment),
            domains=_domains(environment.get("DOMAIN") or ""),
            metrics_token=(environment.get("METRICS_TOKEN") or "").strip() or None,
            stored_bytes_per_minute=_whole(environment, "STORED_MB_PER_MINUTE", 20) * 2**20,
            stored_bytes_per_day=_whole(environment, "STORED_MB_PER_DAY", 200) * 2**20,
            database_bytes=_whole(environment, "DATABASE_MAX_MB", 0) * 2**20,
            backup_mark=ROOT / Path(mark).expanduser() if (mark := environment.get("BACKUP_MARK")) else None,
            request_log=_switch(environment, "REQUEST_LOG"),
            retrain_min_feedback=_positive(environment, "RETRAIN_MIN_FEEDBACK", 10),
            retrain_max_labels=_positive(environment, "RETRAIN_MAX_LABELS", 50_000),
            retrain_threads=_whole(environment, "RETRAIN_THREADS", 0, most=1024),
            labels_per_session=_positive(environment, "LABELS_PER_SESSION", 100),
            labels_per_digit=_positive(environment, "LABELS_PER_DIGIT", 100),
            model_poll_seconds=_positive(environment, "MODEL_POLL_SECONDS", 3),
        )


def _from_file(path: Path) -> dict[str, str]:
    try:
        _check_lines(path)
        return {name: value for name, value in dotenv_values(path).items() if value}
    except OSError as error:
        raise BadSetting(
            f"{path} can't be read by user {_user()} ({error.strerror}). As root give it to a group of that user: "
            f"chown root:{_user()} {path} && chmod 640 {path}"
        ) from None
    except UnicodeDecodeError:
        raise BadSetting(f"{path} is not text in UTF-8. Write it anew from .env.example.") from None


def _check_lines(path: Path) -> None:
    """Raise BadSetting at a line that sets nothing: `DB_HOST: db` would leave the drawings in another database."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for binding in parse_stream(file):
            text = binding.original.string.strip()
            if text and not text.startswith("#") and (binding.error or binding.value is None):
                name = text.split()[0].split(":")[0][:40]  # what comes after it may be a password
                raise BadSetting(
                    f"{path}, line {binding.original.line + _blank_lines(binding.original.string)}, can't be read: it "
                    f"begins with {name!r}. Write NAME=value, or # in front of a remark."
                )


def _blank_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def _user() -> str:
    """Name of the effective user; $USER may name another one, for example after sudo."""
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return str(os.geteuid()) if hasattr(os, "geteuid") else "?"


def _database_url(environment: Mapping[str, str]) -> URL:
    if url := environment.get("DATABASE_URL"):
        try:
            parsed = make_url(url)
            # Heroku and others still use the scheme "postgres"; SQLAlchemy's default drivers are not all installed.
            parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
            dialect = parsed.get_dialect()
            dialect.import_dbapi()
            dialect().create_connect_args(parsed)
        except (NoSuchModuleError, ImportError):
            raise BadSetting(
                f"DATABASE_URL begins with {parsed.drivername}://, for which no driver is installed. The application "
                "works with postgresql://, sqlite:/// and, after pip install -r requirements-mysql.txt, mysql+pymysql://."
            ) from None
        except (ArgumentError, ValueError):  # its message may contain the URL or a part of the password
            raise _unreadable_url() from None
        # After an unescaped @, the rest of the password would be parsed as the host and sent to DNS and the log.
        if parsed.host and url.partition("?")[0].count("@") > 1:
            raise _unreadable_url()
        return _beside_app(parsed)
    if host := environment.get("DB_HOST"):
        if environment.get("DB_PASSWORD") in PLACEHOLDERS:
            raise BadSetting(
                "DB_PASSWORD is still the one of .env.example, which everybody knows. Choose one, for example with "
                "openssl rand -hex 24; in a database that was started with it, change it there as well (ALTER USER)."
            )
        return URL.create(
            "postgresql+psycopg2",
            username=environment.get("DB_USER") or "postgres",
            password=environment.get("DB_PASSWORD") or None,
            host=host,
            port=_positive(environment, "DB_PORT", 5432, most=65_535),
            database=environment.get("DB_NAME") or "mnist",
        )
    return URL.create("sqlite", database=str(ROOT / "data" / "mnist.db"))


def _beside_app(url: URL) -> URL:
    """Resolve SQLite's path from app.py's folder: in another working directory cron would create a new database."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return url
    return url.set(database=str(ROOT / url.database))


def _unreadable_url() -> BadSetting:
    return BadSetting(
        "DATABASE_URL can't be read. Write it as postgresql://user:password@host:5432/name or sqlite:///file.db; in "
        "the password write %40 for @, %3A for :, %2F for / and %25 for %."
    )


def _origins(environment: Mapping[str, str]) -> tuple[str, ...]:
    # Without a key any page could have its visitors' browsers send drawings and labels here.
    default = "*" if (environment.get("API_KEY") or "").strip() else ""
    return tuple((environment.get("CORS_ORIGINS") or default).replace(",", " ").split())


def _domains(text: str) -> tuple[str, ...]:
    """The host names in DOMAIN as Caddy reads it: "https://a.example:8443, b.example"; none for ":80" or localhost."""
    names = [re.sub(r"^\w+://|:\d*$|/.*$", "", each).lower() for each in re.split(r"[,\s]+", text) if each]
    return () if "" in names or names == ["localhost"] else tuple(names)


def _positive(environment: Mapping[str, str], name: str, default: int, *, most: int = MOST) -> int:
    number = _whole(environment, name, default, most=most)
    if number == 0:
        raise BadSetting(f"{name} is '0'; it must be a whole number above 0.")
    return number


def _whole(environment: Mapping[str, str], name: str, default: int, *, most: int = MOST) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal():
        raise BadSetting(f"{name} is {text!r}; it must be a whole number.")
    if len(text) > len(str(MOST)) or int(text) > most:  # length first: int() rejects more than 4,300 digits
        raise BadSetting(f"{name} is {text[:20]!r}; it must be a whole number of at most {most:,}.")
    return int(text)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = (environment.get(name) or "off").lower()
    if text not in ("on", "off"):
        raise BadSetting(f"{name} is {text!r}; it must be on or off.")
    return text == "on"
