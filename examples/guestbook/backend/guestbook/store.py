"""Entries in a SQLite file."""

import sqlite3
from contextlib import closing


class Store:
    def __init__(self, settings):
        self.settings = settings
        with closing(self._open()) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")

    def _open(self):
        return sqlite3.connect(self.settings.database, timeout=5)

    def entries(self):
        """The newest first."""
        with closing(self._open()) as connection:
            return [text for (text,) in connection.execute("SELECT text FROM entry ORDER BY id DESC")]

    def add(self, text):
        """Adds an entry; the oldest go when there are too many."""
        text = text.strip()
        if not text:
            raise ValueError("an entry must not be empty")
        if len(text) > self.settings.max_length:
            raise ValueError(f"an entry may have {self.settings.max_length} characters, this one has {len(text)}")
        with closing(self._open()) as connection, connection:
            connection.execute("INSERT INTO entry (text) VALUES (?)", (text,))
            connection.execute(
                "DELETE FROM entry WHERE id NOT IN (SELECT id FROM entry ORDER BY id DESC LIMIT ?)",
                (self.settings.max_entries,),
            )
