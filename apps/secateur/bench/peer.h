// A peer: another library's program, in Python, that does the same work in turns with this one. The scripts
// are part of the program and are written to a folder of their own when they start.
//
// They talk in JSON objects, a line each, over a socket: the first line is the peer's introduction, and then
// every question has an answer (peer.py).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace secateur::bench {

class Peer {
 public:
  // The folder; nothing is started yet. `python` is an interpreter, looked for in PATH where it has no slash.
  explicit Peer(std::string python);
  // Ends the peer by closing its input, waits for it, and removes the folder.
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // For files that the peer is to read.
  [[nodiscard]] const std::filesystem::path& folder() const;

  // Starts one of the scripts with `specification` (JSON), on that many threads; returns its introduction.
  // Throws Error when the interpreter cannot be started, or the script says why it cannot do the work.
  std::string start(const std::string& script, const std::string& specification, std::int64_t threads);
  // The answer to a question. Throws Error with the peer's own message when it failed.
  std::string ask(std::string_view question);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace secateur::bench
