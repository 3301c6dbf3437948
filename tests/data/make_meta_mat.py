#!/usr/bin/env python3
"""Writes tests/data/devkit: small files like meta.mat of ImageNet's development kit. Needs SciPy; its output is committed.

usage: make_meta_mat.py FOLDER

compressed.mat, plain.mat   by scipy.io.savemat
matlab.mat                  laid out as MATLAB does it (characters in 16 bits, numbers as small elements of one byte, the
                            variable compressed, another one before it), by the published format; SciPy reads it the same
"""

import pathlib
import struct
import sys
import zlib

import numpy
import scipy.io

FIELDS = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
# Neither in the order of the numbers nor of the ids; the last one has children.
SYNSETS = [
    (2, "n02100735", "English setter", "an English breed", 0, [], 0, 1300),
    (1, "n02119789", "kit fox, Vulpes macrotis", "small grey fox", 0, [], 0, 1300),
    (3, "n04336792", "str\u00eatcher \u2192", "a litter", 0, [], 0, 1300),
    (4, "n00001740", "entity", "that which is perceived", 3, [1, 2, 3], 18, 0),
]
HEADER = b"MATLAB 5.0 MAT-file, for the tests of Secateur".ljust(116) + bytes(8) + struct.pack("<H", 0x0100) + b"IM"


def scipy_file(path, compressed):
    rows = numpy.empty((len(SYNSETS), 1), dtype=[(name, object) for name in FIELDS])
    for i, synset in enumerate(SYNSETS):
        rows[i, 0] = synset
    scipy.io.savemat(path, {"about": "a test", "synsets": rows}, do_compression=compressed)
    data = bytearray(path.read_bytes())
    data[:116] = HEADER[:116]  # SciPy writes the time there
    path.write_bytes(data)


def element(kind, data):
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind, shape, name, data):
    body = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name) + data
    return element(14, body)


def value(content):
    if isinstance(content, str):
        return array(4, (1, len(content)), b"", element(4, content.encode("utf-16-le")))
    if isinstance(content, int):
        content = [content]
    kind, code = (2, "B") if all(number < 256 for number in content) else (4, "H")
    return array(6, (min(1, len(content)), len(content)), b"", element(kind, struct.pack(f"<{len(content)}{code}", *content)))


def matlab_file(path):
    names = b"".join(name.encode().ljust(32, b"\0") for name in FIELDS)
    body = element(5, struct.pack("<i", 32)) + element(1, names)
    body += b"".join(value(content) for synset in SYNSETS for content in synset)
    variables = array(6, (1, 1), b"version", element(9, struct.pack("<d", 7.5))), array(2, (len(SYNSETS), 1), b"synsets", body)
    packed = [zlib.compress(variable) for variable in variables]
    path.write_bytes(HEADER + b"".join(struct.pack("<II", 15, len(data)) + data for data in packed))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    scipy_file(folder / "compressed.mat", True)
    scipy_file(folder / "plain.mat", False)
    matlab_file(folder / "matlab.mat")
    for file in folder.glob("*.mat"):
        rows = scipy.io.loadmat(file, squeeze_me=True, uint16_codec="utf-16-le")["synsets"]
        got = [(int(row["ILSVRC2012_ID"]), str(row["WNID"]), str(row["words"]), int(row["num_children"])) for row in rows]
        assert got == [(s[0], s[1], s[2], s[4]) for s in SYNSETS], (file, got)


if __name__ == "__main__":
    main()
