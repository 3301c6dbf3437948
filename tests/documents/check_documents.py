#!/usr/bin/env python3
"""Holds what the documents say of the program against the program.

Every command in a code block of the Markdown files, and every example that --help shows, is read by the program with
--check: words, options, values and recipes as it would take them. Commands in running text may leave out what they
are not about, but name no word and no option that there is not; options in running text exist somewhere. Words of the
launcher stand in its help. Files that are named exist.

usage: check_documents.py PROGRAM ROOT
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

PROGRAM, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
OPTIONS_OF_OTHERS = {"--bind-to", "--map-by"}  # mpirun
LAUNCHER_WORDS = {"setup", "build", "test", "help"}
FENCE = re.compile(r"^ {0,3}```")
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^|\|\s*)(?:\./)?secateur\s+(\S.*)$")
OUR_PATH = re.compile(r"^(?:apps|cmake|data|docs|engine|kernels|models|recipes|tests)/[\w./-]*\.\w+$")


def documents():
    names = subprocess.run(["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
                           capture_output=True, text=True).stdout.split()
    # The change log names what has gone, too.
    return [ROOT / name for name in names if name != "CHANGELOG.md"] or sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def without_comment(line):
    """Without what stands beside a command (after a # or wide space) and where its output goes."""
    return re.split(r"\s#\s|\s{3,}|\s>\s", line, maxsplit=1)[0].strip()


def parts_of(text):
    """Lines of code blocks, pieces of code in running text, and links, each with its line number."""
    blocks, inline, links = [], [], []
    fenced = blank = False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif fenced:
            blocks.append((number, line.strip()))
        elif line.startswith("    ") and (blank or (blocks and blocks[-1][0] == number - 1)):
            blocks.append((number, line.strip()))
        else:
            inline += [(number, piece.strip()) for piece in INLINE.findall(line)]
            links += [(number, link) for link in LINK.findall(line)]
        blank = not line.strip()
    return blocks, inline, links


def run(*arguments, folder=None):
    # Its examples spell the program as it was called.
    environment = {**os.environ, "SECATEUR_CALLED_AS": "secateur"}
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, cwd=folder, env=environment)


class Checker:
    def __init__(self, folder):
        self.folder = folder
        self.faults, self.commands = [], 0
        (folder / "apps").symlink_to(ROOT / "apps")  # where recipes lie
        launcher = [str(ROOT / "secateur")]
        self.launcher_help = subprocess.run([*launcher, "help"], capture_output=True, text=True).stdout
        self.launcher_help += subprocess.run([*launcher, "test", "--help"], capture_output=True, text=True).stdout
        self.examples, self.options = [], set(re.findall(r"--[a-z][\w-]*", self.launcher_help))
        self.read_help([])

    def read_help(self, words):
        """The examples and options of a word's help, and of those below it."""
        text = run(*words, "--help").stdout
        self.options |= set(re.findall(r"--[a-z][\w-]*", text))
        self.examples += [("secateur " + " ".join(words) + " --help", line.strip())
                          for line in text.splitlines() if re.match(r"^  secateur \S", line)]
        below = re.search(r"takes one of these words: (.*)", run("--check", *words).stderr)
        for word in below.group(1).split(", ") if below else []:
            self.read_help([*words, word])

    def fault(self, where, command, reason):
        self.faults.append(f"{where}: {command}\n    {reason}")

    def command(self, where, line, whole):
        """`whole`: the command must be complete; else it may lack what is required."""
        found = COMMAND.search(without_comment(line))
        if not found:
            return
        words = [word for word in shlex.split(found.group(1)) if word not in ("...", "WORD")]
        if not words:
            return
        self.commands += 1
        if words[0] in LAUNCHER_WORDS:
            for word in words:
                if word.startswith("-") and word not in self.launcher_help:
                    self.fault(where, line, f"the launcher's help does not name {word}")
            return
        if "--recipe" in words[:-1]:
            recipe = self.folder / words[words.index("--recipe") + 1]
            if words[words.index("--recipe") + 1].startswith("runs/"):  # one that a command before it makes
                recipe.parent.mkdir(parents=True, exist_ok=True)
                recipe.write_text("")
        done = run("--check", *words, folder=self.folder)
        lacks = not whole and re.search("is required|takes one of these words|required .* missing", done.stderr)
        if done.returncode != 0 and not lacks:
            self.fault(where, line, done.stderr.strip() or f"exit code {done.returncode}")

    def document(self, path):
        name = path.relative_to(ROOT)
        blocks, inline, links = parts_of(path.read_text())
        for number, line in blocks:
            self.command(f"{name}:{number}", line, whole=True)
        for number, piece in inline:
            where = f"{name}:{number}"
            self.command(where, piece, whole=False)
            option = re.match(r"--[a-z][\w-]*", piece)
            if option and option.group() not in self.options | OPTIONS_OF_OTHERS:
                self.fault(where, piece, "no word of the program or the launcher has this option")
            if OUR_PATH.match(piece) and not (ROOT / piece).exists() and not self.is_header(piece):
                self.fault(where, piece, "there is no such file")
        for number, link in links:
            if "://" not in link and not (path.parent / link).exists():
                self.fault(f"{name}:{number}", link, "the link leads nowhere")

    @staticmethod
    def is_header(piece):
        """data/corruption.h for data/include/secateur/data/corruption.h."""
        return any((ROOT / root / "include/secateur" / piece).exists() for root in ("engine", "data", "models", "kernels"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(pathlib.Path(folder))
        for where, example in checker.examples:
            checker.command(where, example, whole=True)
        read = documents()
        for path in read:
            checker.document(path)
    for fault in checker.faults:
        print(fault)
    print(f"{checker.commands} commands in {len(read)} documents and {len(checker.examples)} examples of --help, "
          f"{len(checker.options)} options known: {len(checker.faults)} faults")
    # A test that finds nothing to look at has not looked.
    return 0 if not checker.faults and checker.commands > 80 and len(checker.examples) > 30 else 1


if __name__ == "__main__":
    sys.exit(main())
