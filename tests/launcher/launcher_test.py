#!/usr/bin/env python3
"""The launcher ./secateur where it cannot do what it is asked: it names what is missing and the line that would help.

It runs with a PATH of its own, which holds what Debian always has, a compiler and CMake, but no ninja; as another user
where this one is root, who might install.

usage: launcher_test.py ROOT
"""

import os
import pathlib
import pty
import shutil
import subprocess
import sys
import tempfile

LAUNCHER = pathlib.Path(sys.argv[1]) / "secateur"
ALWAYS = ("bash env dirname readlink awk sed grep sort head tail id uname cat tput mkdir nproc cut tr printf python3 cmake "
          "g++ c++ ccache").split()
NOBODY = 65534


class Launcher:
    def __init__(self, folder):
        self.failures = 0
        self.path = pathlib.Path(folder) / "bin"
        self.path.mkdir()
        os.chmod(folder, 0o755)
        for name in ALWAYS:
            found = shutil.which(name, path="/usr/bin:/bin:/usr/local/bin")
            if found:
                (self.path / name).symlink_to(found)
        self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def add(self, name, text):
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def run(self, *arguments, **environment):
        done = subprocess.run(["bash", str(LAUNCHER), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd="/", **self.user,
                              env={"PATH": str(self.path), "HOME": "/nonexistent", **environment})
        return done.returncode, done.stdout

    def on_terminal(self, answer, *arguments, **environment):
        """With all that this machine has, and somebody who answers."""
        master, slave = pty.openpty()
        os.write(master, answer.encode())
        plain = {name: value for name, value in os.environ.items() if name not in ("CI", "SECATEUR_YES", "DNNL_DIR")}
        done = subprocess.run(["bash", str(LAUNCHER), *arguments], stdin=slave, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd="/", **self.user,
                              env={**plain, "HOME": "/nonexistent", **environment})
        os.close(slave)
        os.close(master)
        return done.returncode, done.stdout

    def expect(self, what, outcome, code, *says):
        good = outcome[0] == code and all(part in outcome[1] for part in says)
        print(f"{'ok' if good else 'FAILED'}: {what}")
        if not good:
            self.failures += 1
            print(f"exit code {outcome[0]}, expected {code} and {says}; it said:\n{outcome[1]}")


def expect_the_program_is_told(launcher, folder):
    """A program that is built already: the launcher becomes it, and tells it who calls and how threads wait."""
    root = pathlib.Path(folder) / "tree"
    program = root / "build" / "cpu" / "bin" / "secateur"
    program.parent.mkdir(parents=True)
    shutil.copy(LAUNCHER, root)
    shutil.copytree(LAUNCHER.parent / "cmake" / "launcher", root / "cmake" / "launcher")
    program.write_text("#!/bin/bash\necho called as $SECATEUR_CALLED_AS, spins $GOMP_SPINCOUNT, $OMP_WAIT_POLICY.\n")
    program.chmod(0o755)

    def doctor(**environment):
        done = subprocess.run([str(root / "secateur"), "doctor"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd="/", **launcher.user,
                              env={"PATH": str(launcher.path), "SECATEUR_PRESET": "cpu", **environment})
        return done.returncode, done.stdout

    launcher.expect("the program is told", doctor(), 0, f"called as {root}/secateur, spins 1000, .")
    launcher.expect("spins are the user's", doctor(GOMP_SPINCOUNT="7"), 0, "spins 7, .")
    launcher.expect("so is the policy", doctor(OMP_WAIT_POLICY="active"), 0, "spins , active.")


def main():
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher(folder)
        if launcher.run("help")[0] == 126 or "Permission denied" in launcher.run("help")[1]:
            print("SKIPPED: another user cannot read this tree")
            return 77
        launcher.expect("help", launcher.run("help"), 0, "./secateur setup", "./secateur test", "asan, tsan, coverage")
        expect_the_program_is_told(launcher, folder)
        launcher.expect("no package manager", launcher.run("setup"), 1, "ninja-build", "build tool", "no apt-get here")
        launcher.add("apt-get", "#!/bin/bash\necho apt-get was called\nexit 1\n")
        line = "sudo apt-get update && sudo apt-get install -y --no-install-recommends "
        for environment in ({}, {"SECATEUR_YES": "1"}, {"CI": "true"}):
            outcome = launcher.run("setup", **environment)
            launcher.expect(f"no right to install {environment}", outcome, 1, "Not allowed to install", line, "ninja-build")
            if "apt-get was called" in outcome[1]:
                launcher.expect("nothing is tried", (1, outcome[1]), 0)
        launcher.expect("nor on the way to a build", launcher.run("train", "--epochs", "3"), 1, line, "ninja-build")
        launcher.expect("PyPI is asked about on a terminal", launcher.on_terminal("n\n", "setup", SECATEUR_DEPS=f"{folder}/none"),
                        1, "oneDNN 3.2", "Fetch it from PyPI now? [Y/n]", "This line unpacks it: ./secateur setup --yes")
        launcher.expect("no such preset", launcher.run("build", "fast"), 1, "no preset fast", "cpu cuda cuda-release asan")
        launcher.expect("no such option", launcher.run("setup", "--everything"), 1, "--yes and --all, not --everything")
        launcher.expect("no such option of test", launcher.run("test", "--fast"), 1, "--fast", "test --help")
        launcher.expect("no GPU to test", launcher.run("test", "--gpu"), 1, "no GPU is seen here")
        launcher.expect("no tests in a release", launcher.run("test", "--preset", "cuda-release"), 1, "without tests")
    return 1 if launcher.failures else 0


if __name__ == "__main__":
    sys.exit(main())
