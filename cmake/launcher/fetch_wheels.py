"""Fetches the wheels of a requirements file with pip and unpacks their data into a folder.

pip verifies the SHA-256 of each against the file. The folder appears whole or not at all.

usage: fetch_wheels.py REQUIREMENTS FOLDER
"""

import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile


def unpack(wheel: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpacks NAME.data/data/ (oneDNN), NAME/data/ (CMake) or nvidia/cu13/ of a wheel, with the modes stored in it."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            parts = pathlib.PurePosixPath(entry.filename).parts
            root = next((part for part in parts if part in ("data", "cu13")), None)
            if entry.is_dir() or root is None or ".." in parts:
                continue
            inside = parts[parts.index(root) + 1 :]
            target = folder.joinpath(*inside)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink)
            mode = (entry.external_attr >> 16) & 0o777
            if mode & stat.S_IXUSR or inside[0] == "bin":
                target.chmod(0o755)


def link_library_names(folder: pathlib.Path) -> None:
    """A wheel holds no links: libx.so, libx.so.3 and libx.so.3.2 lie there as three equal files. Keeps the longest."""
    library_folder = folder / "lib"
    if not library_folder.is_dir():
        return
    for full in sorted(library_folder.glob("*.so.*.*")):
        stem, _, version = full.name.partition(".so.")
        for short in (f"{stem}.so", f"{stem}.so.{version.split('.')[0]}"):
            path = library_folder / short
            path.unlink(missing_ok=True)
            path.symlink_to(full.name)


def main() -> int:
    requirements, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        wheels = pathlib.Path(scratch) / "wheels"
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes",
             "--disable-pip-version-check", "--progress-bar=off", "-d", str(wheels), "-r", str(requirements)],
            check=True,
        )
        unpacked = pathlib.Path(scratch) / "unpacked"
        unpacked.mkdir()
        for wheel in sorted(wheels.glob("*.whl")):
            unpack(wheel, unpacked)
        link_library_names(unpacked)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(unpacked, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
