"""tools/check_module_order.py passes on this tree and finds each kind of planted fault."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CLEAN = {
    "docs/architecture.md": "| folder | x |\n|---|---|\n| `core/` | a |\n| `image/` | b |\n| `learn/` | c |\n| `cli/` | d |\n",
    "src/core/error.h": "#include <string>\n",
    "src/image/read.h": '#include "core/error.h"\n#include "image/image.h"\n',
    "src/image/image.h": "",
    "src/learn/net.h": '#include <torch/torch.h>\n#include "image/read.h"\n',
    "src/cli/app.h": '  #  include "image/read.h"\n',
    "src/cli/main/changepilot_learn.cpp": '#include "learn/net.h"\n',
}


class ModuleOrder(unittest.TestCase):
    def check(self, changes):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**CLEAN, **changes}.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return self.run_on(folder)

    def run_on(self, folder):
        done = subprocess.run([sys.executable, SOURCE / "tools/check_module_order.py", folder], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def test_this_tree_is_clean(self):
        self.assertEqual(self.run_on(SOURCE), (0, "check_module_order: every include points up\n"))

    def test_clean_example_passes(self):
        self.assertEqual(self.check({})[0], 0)

    def test_each_planted_fault_is_found_at_its_line(self):
        cases = [
            ({"src/core/error.h": '#pragma once\n#include "image/image.h"\n'}, "src/core/error.h:2: core/ includes image/image.h"),
            ({"src/image/image.h": "#include <torch/torch.h>\n"}, "src/image/image.h:1: includes LibTorch's torch/torch.h"),
            ({"src/cli/app.h": '#include "ATen/ATen.h"\n'}, "src/cli/app.h:1: includes LibTorch's ATen/ATen.h"),
            ({"src/core/error.h": "#include <c10/util/Half.h>\n"}, "only learn/ may"),
            ({"src/cli/app.h": '#include "learn/net.h"\n'}, "src/cli/app.h:1: includes learn/net.h; outside learn/"),
            ({"src/image/image.h": '#include "read.h"\n'}, '"read.h" is not under src/'),
            ({"src/extra/x.h": ""}, "src/extra: is not in the table"),
            ({"docs/architecture.md": "nothing\n"}, "the table of folders is not found"),
        ]
        for changes, message in cases:
            code, text = self.check(changes)
            self.assertEqual(code, 1, changes)
            self.assertIn(message, text)


if __name__ == "__main__":
    unittest.main()
