"""cmake/torch.cmake takes any LibTorch 2.x and refuses everything else with one clear sentence (faked package folders)."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROJECT = f"""cmake_minimum_required(VERSION 3.25)
project(probe NONE)
include({SOURCE}/cmake/torch.cmake)
get_target_property(links cp_torch INTERFACE_LINK_LIBRARIES)
message(STATUS "links: ${{links}}")
"""


def fake_torch(root, version, cuda=None, version_py=True, libraries=("torch", "torch_cpu", "c10")):
    major, minor, patch = version.split("+")[0].split(".")
    header = root / "include/torch/csrc/api/include/torch/version.h"
    header.parent.mkdir(parents=True)
    header.write_text("#pragma once\n#define TORCH_VERSION_MAJOR %s\n\n#define TORCH_VERSION_MINOR %s\n"
                      "#define TORCH_VERSION_PATCH %s\n" % (major, minor, patch))
    (root / "lib").mkdir()
    for name in libraries:
        (root / f"lib/lib{name}.so").touch()
    if version_py:
        (root / "version.py").write_text(
            f"from typing import Optional\n__version__ = '{version}'\ncuda: Optional[str] = {cuda!r}\nhip = None\n")
    return root


class TorchCmake(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "CMakeLists.txt").write_text(PROJECT)

    def configure(self, root=None, environment_root=None, path=None):
        environment = {k: v for k, v in os.environ.items() if k != "CP_TORCH_ROOT"}
        if environment_root:
            environment["CP_TORCH_ROOT"] = str(environment_root)
        if path:
            environment["PATH"] = path
        command = ["cmake", "-S", self.folder, "-B", self.folder / "build"] + ([f"-DCP_TORCH_ROOT={root}"] if root else [])
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def test_2_13_cpu_configures(self):
        code, text = self.configure(fake_torch(self.folder / "torch", "2.13.0+cpu"))
        self.assertEqual(code, 0, text)
        self.assertIn("LibTorch 2.13.0+cpu (no CUDA)", text)
        self.assertNotIn("torch_cuda", text)

    def test_2_11_cuda_configures_without_a_toolkit_and_links_its_back_end(self):
        root = fake_torch(self.folder / "torch", "2.11.0+cu128", "12.8",
                          libraries=("torch", "torch_cpu", "c10", "torch_cuda", "c10_cuda"))
        code, text = self.configure(root)
        self.assertEqual(code, 0, text)
        self.assertIn("LibTorch 2.11.0+cu128 (CUDA 12.8)", text)
        self.assertIn("libtorch_cuda.so", text)

    def test_version_comes_from_the_header_where_there_is_no_python(self):
        code, text = self.configure(fake_torch(self.folder / "libtorch", "2.13.0", version_py=False))
        self.assertEqual(code, 0, text)
        self.assertIn("LibTorch 2.13.0 (no CUDA)", text)

    def test_1_13_is_refused_in_one_sentence(self):
        for version_py in (True, False):  # a wheel; Debian's packages
            root = fake_torch(self.folder / f"old{version_py}", "1.13.1", version_py=version_py)
            code, text = self.configure(root)
            self.assertNotEqual(code, 0)
            self.assertIn("LibTorch 1.13.1", text)
            self.assertIn("is not supported, 2.x is needed: run tools/setup.sh learn", text)

    def test_other_folders_are_refused(self):
        code, text = self.configure(self.folder)
        self.assertNotEqual(code, 0)
        self.assertIn("No LibTorch in", text)
        code, text = self.configure(fake_torch(self.folder / "half", "2.13.0", libraries=("torch", "c10")))
        self.assertNotEqual(code, 0)
        self.assertIn("libtorch_cpu.so is missing", text)

    def test_environment_names_the_root_and_the_cache_wins(self):
        new = fake_torch(self.folder / "new", "2.13.0")
        newer = fake_torch(self.folder / "newer", "2.14.0")
        self.assertIn("LibTorch 2.13.0", self.configure(environment_root=new)[1])
        self.assertIn("LibTorch 2.14.0", self.configure(newer, environment_root=new)[1])

    def test_set_up_wheel_then_interpreter_then_advice(self):
        tools = self.folder / "bin"  # a PATH with cmake and a python3 of our own
        tools.mkdir()
        for name in ("cmake", "ninja", "make"):
            found = subprocess.run(["which", name], capture_output=True, text=True).stdout.strip()
            if found:
                (tools / name).symlink_to(found)
        python = tools / "python3"
        python.write_text("#!/bin/sh\necho\n")
        python.chmod(0o755)
        code, text = self.configure(path=str(tools))
        self.assertNotEqual(code, 0)
        self.assertIn("LibTorch is not here: run tools/setup.sh learn, or set CP_TORCH_ROOT", text)
        python.write_text(f"#!/bin/sh\necho {fake_torch(self.folder / 'python', '2.12.0')}\n")
        self.assertIn("LibTorch 2.12.0", self.configure(path=str(tools))[1])
        wheel = self.folder / ".deps/venv/lib/python3.11/site-packages/torch"
        wheel.parent.mkdir(parents=True)
        fake_torch(wheel, "2.13.0")
        self.assertIn("LibTorch 2.13.0", self.configure(path=str(tools))[1])


if __name__ == "__main__":
    unittest.main()
