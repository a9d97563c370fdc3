"""Settings from the environment, checked before anything starts."""

import os
from dataclasses import dataclass


class SettingsError(Exception):
    """A setting that makes no sense; the message names it."""


@dataclass(frozen=True)
class Settings:
    database: str
    max_entries: int
    max_length: int


def read(environment=os.environ):
    return Settings(
        database=environment.get("DATABASE", "guestbook.sqlite"),
        max_entries=_positive(environment, "MAX_ENTRIES", 100),
        max_length=_positive(environment, "MAX_LENGTH", 200),
    )


def _positive(environment, name, default):
    text = environment.get(name, str(default))
    if not text.isdecimal() or int(text) == 0:
        raise SettingsError(f"{name} is `{text}`, but it must be a number above 0")
    return int(text)
