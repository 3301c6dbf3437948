#include "secateur/data/fetch.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <system_error>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/data/cifar.h"
#include "subprocess.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

// A folder of our own, removed with everything in it.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    std::error_code error;
    fs::create_directories(path_, error);
    require(!error, "cannot make the folder {}: {}", path_.string(), error.message());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A process that was killed leaves ".fetch-<process>", of the size of the archive.
constexpr std::string_view kTemporaryPrefix = ".fetch-";

void remove_abandoned(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> abandoned;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kTemporaryPrefix)) continue;
    pid_t process = 0;
    const char* end = name.data() + name.size();
    const auto number = std::from_chars(name.data() + kTemporaryPrefix.size(), end, process);
    if (number.ptr != end || process <= 0 || kill(process, 0) == 0 || errno != ESRCH) continue;
    abandoned.push_back(entry.path());
  }
  for (const fs::path& folder : abandoned) fs::remove_all(folder, error);
}

// The last line that says something: programs put the reason there.
std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \r\n");
  if (end == std::string::npos) return "no message";
  const std::size_t begin = text.find_last_of('\n', end);
  const std::size_t first = begin == std::string::npos ? 0 : begin + 1;
  return text.substr(first, end + 1 - first);
}

constexpr int kSignalled = 128;  // exit code of a program that signal n ended: 128 + n

struct Downloader {
  std::string program;
  std::vector<std::string> arguments;
  int no_network_codes[3];  // exit codes that mean: host not found, not reached, no answer in time
};

std::vector<Downloader> downloaders(const std::string& url, const std::string& file) {
  return {{"curl",
           {"curl", "--fail", "--location", "--silent", "--show-error", "--connect-timeout", "20",
            "--speed-limit", "1000", "--speed-time", "60", "--output", file, "--", url},
           {6, 7, 28}},
          {"wget",
           {"wget", "--no-verbose", "--tries=2", "--timeout=60", "--output-document", file, "--", url},
           {4, 4, 4}}};
}

void download(const ArchiveSource& source, const fs::path& file, const FetchLog& log) {
  constexpr double kMegabyte = 1e6;
  const auto report = [&] {
    std::error_code error;
    const auto bytes = fs::file_size(file, error);
    if (error || !log) return;
    const double megabytes = static_cast<double>(bytes) / kMegabyte;
    if (source.bytes > 0) {
      log(fmt::format("{:.0f} of {:.0f} MB", megabytes, static_cast<double>(source.bytes) / kMegabyte));
    } else {
      log(fmt::format("{:.0f} MB", megabytes));
    }
  };
  for (const Downloader& downloader : downloaders(source.url, file.string())) {
    const std::optional<ProgramResult> result = run_program(downloader.arguments, report);
    if (!result) continue;
    if (result->exit_code == 0) return;
    require(result->exit_code != kSignalled + SIGINT, "interrupted; nothing of {} was kept", source.url);
    for (const int code : downloader.no_network_codes) {
      require(result->exit_code != code, "no network, or {} cannot be reached: {} ({} said: {})", source.url,
              "nothing was downloaded", downloader.program, last_line(result->output));
    }
    fail("downloading {} failed: {} ended with exit code {}: {}", source.url, downloader.program,
         result->exit_code, last_line(result->output));
  }
  fail("downloading {} needs the program curl or wget, and neither is installed", source.url);
}

ProgramResult run_needed(const std::vector<std::string>& arguments, std::string_view purpose) {
  const std::optional<ProgramResult> result = run_program(arguments);
  require(result.has_value(), "the program {} is not installed; it is needed to {}", arguments[0], purpose);
  return *result;
}

void check_archive(const ArchiveSource& source, const fs::path& file) {
  const auto bytes = static_cast<std::int64_t>(fs::file_size(file));
  require(source.bytes == 0 || bytes == source.bytes, "{}: {} bytes came where {} are expected{}", source.url,
          bytes, source.bytes, bytes < source.bytes ? "; the download was cut short, try again" : "");
  const ProgramResult sum = run_needed({"md5sum", "--binary", file.string()}, "check the download");
  require(sum.exit_code == 0, "md5sum failed: {}", last_line(sum.output));
  // md5sum puts a backslash before the sum of a file whose name it had to escape.
  const std::string found = sum.output.substr(sum.output.starts_with('\\') ? 1 : 0, 32);
  require(found == source.md5, "{}: wrong checksum: md5 {} where {} is expected; the download was discarded",
          source.url, found, source.md5);
}

}  // namespace

ArchiveSource source_of(std::string_view dataset) {
  if (dataset == "cifar10") {
    return {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530",
            170052171, cifar10_layout().folder};
  }
  if (dataset == "cifar100") {
    return {"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8",
            168513733, cifar100_layout().folder};
  }
  constexpr std::array<std::string_view, 2> kNames{"cifar10", "cifar100"};
  fail("data set '{}' cannot be downloaded; those that can: {}{}", dataset, fmt::join(kNames, ", "),
       did_you_mean(dataset, kNames));
}

fs::path fetch_archive(const ArchiveSource& source, const fs::path& directory, const FetchLog& log) {
  const auto say = [&](const std::string& line) {
    if (log) log(line);
  };
  fs::path target = directory / source.folder;
  if (fs::exists(target)) {
    say(fmt::format("{} is there already", target.string()));
    return target;
  }
  const bool directory_existed = fs::exists(directory);
  try {
    remove_abandoned(directory);
    const TemporaryFolder temporary(directory / fmt::format("{}{}", kTemporaryPrefix, getpid()));
    const fs::path archive = temporary.path() / "archive.tar.gz";
    say(fmt::format("downloading {}", source.url));
    download(source, archive, log);
    say("checking");
    check_archive(source, archive);
    say("unpacking");
    const fs::path unpacked = temporary.path() / "unpacked";
    fs::create_directory(unpacked);
    const ProgramResult tar = run_needed({"tar", "--extract", "--gzip", "--no-same-owner", "--file",
                                          archive.string(), "--directory", unpacked.string()},
                                         "unpack the download");
    require(tar.exit_code == 0, "unpacking {} failed: {}", source.url, last_line(tar.output));
    require(fs::is_directory(unpacked / source.folder), "{}: the archive holds no folder {}", source.url,
            source.folder);
    std::error_code error;
    fs::rename(unpacked / source.folder, target, error);
    require(!error, "cannot move the unpacked folder to {}: {}", target.string(), error.message());
  } catch (...) {
    std::error_code ignored;
    if (!directory_existed) fs::remove(directory, ignored);
    throw;
  }
  say(fmt::format("done: {}", target.string()));
  return target;
}

}  // namespace secateur::data
