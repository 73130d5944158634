"""The programs in docs/python.md run when they are pasted."""

import os
import re
import unittest

from programs import Folder

TEXT = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "python.md")


class TestDocs(unittest.TestCase):
    def test_programs(self):
        with open(TEXT, encoding="utf-8") as file:
            programs = re.findall(r"^```python\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)
        self.assertTrue(programs)
        for program in programs:
            # Programs of other interpreters may run beside this one, and have a queue of that name.
            program = program.replace('"readings"', '"readings-%d"' % os.getpid())
            folder = Folder(pasted=program)
            self.addCleanup(folder.cleanup)
            status, output, errors = folder.run("pasted.py")
            self.assertEqual(status, 0, errors)
            self.assertRegex(output, r"^100 a job \d+\n$")


if __name__ == "__main__":
    unittest.main()
