"""The guestbook's back end: keeps entries in SQLite and serves them as JSON."""

VERSION = "1.0"
