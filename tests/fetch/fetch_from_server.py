#!/usr/bin/env python3
"""`secateur data fetch` against a server on this machine: all but the publisher's own address.

A small archive stands in for CIFAR-10's, as --url and --md5 allow: files of the right sizes that pack well. Fetched and
used; fetched again; with a checksum that is another; cut off in the middle of the download; not there; no server at
all; killed and interrupted in the middle, and fetched again afterwards. Nothing but a whole data set may be left behind.

usage: fetch_from_server.py PROGRAM FOLDER
"""

import hashlib
import http.server
import io
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

PROGRAM, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
RECORD, RECORDS = 1 + 3 * 32 * 32, 10000
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def make_archive():
    """A tar.gz with the files of CIFAR-10 in their layout, and images that repeat."""
    image = bytes(7 * i % 256 for i in range(RECORD - 1))
    part = b"".join(bytes([i % 10]) + image for i in range(RECORDS))
    files = {f"data_batch_{i}.bin": part for i in range(1, 6)}
    files |= {"test_batch.bin": part, "batches.meta.txt": ("\n".join(CLASSES) + "\n").encode()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    archive = b""
    started = threading.Event()

    def do_GET(self):
        if self.path not in ("/whole", "/cut", "/slow"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.archive)))
        self.end_headers()
        half = len(self.archive) // 2
        self.wfile.write(self.archive[:half])
        self.wfile.flush()
        Handler.started.set()
        if self.path == "/cut":
            return
        if self.path == "/slow":
            time.sleep(30)
        self.wfile.write(self.archive[half:])

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that was killed


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    Handler.archive = make_archive()
    md5 = hashlib.md5(Handler.archive).hexdigest()
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    failures = []

    def command(name, folder, checksum=md5, base=address):
        return [PROGRAM, "data", "fetch", "cifar10", "--data-dir", str(folder), "--url", f"{base}/{name}", "--md5", checksum]

    def check(what, good, detail):
        print(f"{'ok' if good else 'FAILED'}: {what}")
        if not good:
            failures.append(what)
            print(detail)

    def fetch(what, arguments, code, *says):
        done = subprocess.run(arguments, capture_output=True, text=True)
        text = done.stdout + done.stderr
        check(what, done.returncode == code and all(part in text for part in says),
              f"exit code {done.returncode}, expected {code} and {says}; it said:\n{text}")

    data, empty = FOLDER / "data", FOLDER / "empty"
    fetch("fetched whole", command("whole", data), 0, "downloading", "checking", "unpacking", "use it with")
    fetch("what was fetched is read", [PROGRAM, "data", "info", "--data", "cifar10", "--data-dir", str(data)], 0,
          "10 classes", "truck")
    fetch("fetched again: it is there", command("nowhere", data), 0, "is there already")

    # From here on every attempt fails, and the folder that it was to go to is not there afterwards.
    fetch("another checksum", command("whole", empty, checksum="0" * 32), 1, "wrong checksum", md5, "discarded")
    fetch("the publisher's checksum", command("whole", empty)[:-2], 1, f"{len(Handler.archive)} bytes came where")
    fetch("cut off", command("cut", empty), 1, "downloading", "failed", "/cut")
    fetch("not there", command("nowhere", empty), 1, "404")
    fetch("no server", command("whole", empty, base="http://127.0.0.1:9"), 1, "no network")
    fetch("a checksum that is none", command("whole", empty, checksum="abc"), 1, "32 hexadecimal digits")
    check("nothing left behind", not empty.exists(), sorted(empty.rglob("*")) if empty.exists() else "")

    for number, name in ((signal.SIGINT, "interrupted"), (signal.SIGKILL, "killed")):
        folder = FOLDER / name
        Handler.started.clear()
        process = subprocess.Popen(command("slow", folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        Handler.started.wait(20)
        time.sleep(0.2)
        process.send_signal(number)
        text = process.communicate()[0]
        if name == "interrupted":
            check("interrupted, and it says so", process.returncode == 1 and "interrupted" in text and not folder.exists(),
                  f"exit code {process.returncode}: {text}")
        fetch(f"{name}, then fetched whole", command("whole", folder), 0, "use it with")
        left = [path.name for path in folder.iterdir()]
        check(f"{name}: nothing but the data set", left == ["cifar-10-batches-bin"], left)

    server.shutdown()
    shutil.rmtree(FOLDER)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
