import json
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from guestbook import server, settings
from guestbook.store import Store


class SettingsTest(unittest.TestCase):
    def test_defaults(self):
        self.assertEqual(settings.read({}), settings.Settings("guestbook.sqlite", 100, 200))

    def test_a_wrong_number_is_named(self):
        for text in ["0", "-1", "many", ""]:
            with self.assertRaisesRegex(settings.SettingsError, "MAX_ENTRIES is"):
                settings.read({"MAX_ENTRIES": text})


class ServerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        values = settings.read(
            {"DATABASE": str(Path(folder.name, "db")), "MAX_ENTRIES": "2", "MAX_LENGTH": "10"}
        )
        self.server = server.make_server(Store(values), port=0)
        self.addCleanup(self.server.server_close)
        thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def ask(self, path, data=None):
        url = f"http://127.0.0.1:{self.server.server_port}{path}"
        with urllib.request.urlopen(url, data=data, timeout=5) as answer:
            return json.load(answer)

    def test_keeps_the_newest_entries(self):
        for text in [b"one", "zwölf".encode(), b" three "]:
            self.ask("/entries", text)
        self.assertEqual(self.ask("/entries")["entries"], ["three", "zwölf"])

    def test_refuses_what_makes_no_sense(self):
        for data in [b"  ", b"x" * 11]:
            with self.assertRaises(urllib.error.HTTPError) as raised:
                self.ask("/entries", data)
            self.assertEqual(raised.exception.code, 400)
            raised.exception.close()

    def test_is_healthy(self):
        self.assertEqual(self.ask("/healthz"), {"status": "ok"})


if __name__ == "__main__":
    unittest.main()
