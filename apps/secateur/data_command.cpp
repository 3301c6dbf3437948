// secateur data: fetching data sets and looking at them; secateur version.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/data/fetch.h"
#include "secateur/data/packed.h"
#include "secateur/data/registry.h"
#include "secateur/progress.h"
#include "secateur/session.h"
#include "secateur/text.h"

namespace secateur::app {

int run_data_fetch(const FetchArguments& arguments) {
  data::ArchiveSource source = data::source_of(arguments.name);
  if (!arguments.url.empty()) source.url = arguments.url;
  if (!arguments.md5.empty()) {
    constexpr std::size_t kDigits = 32;
    require(arguments.md5.size() == kDigits &&
                arguments.md5.find_first_not_of("0123456789abcdef") == std::string::npos,
            "--md5: expected 32 hexadecimal digits in lower case, got '{}'", arguments.md5);
    source.md5 = arguments.md5;
    source.bytes = 0;
  }
  data::fetch_archive(source, arguments.directory, [](std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);  // a download takes minutes, also into a pipe
    require(!interrupted(), "interrupted; nothing of the download was kept");
  });
  fmt::print("use it with: --data {} --data-dir {}\n", arguments.name, arguments.directory.string());
  return 0;
}

int run_data_info(const RunOptions& options) {
  const RunData data = open_data(options, std::nullopt);
  const data::ImageSet& set = data.training;
  const MapShape shape = set.image_shape();
  fmt::print("{}: {}x{}x{}, {} classes\n", set.name(), shape.height, shape.width, shape.channels,
             set.num_classes());
  std::vector<std::vector<std::string>> rows{{"class", "training", "validation", "test"}};
  const auto training = set.class_counts();
  const auto validation =
      data.validation ? data.validation->class_counts() : std::vector<std::int64_t>(training.size());
  const auto test = data.test.class_counts();
  for (std::size_t k = 0; k < training.size(); ++k) {
    rows.push_back({set.class_names()[k], grouped(training[k]), grouped(validation[k]), grouped(test[k])});
  }
  rows.push_back({"all", grouped(set.size()), grouped(data.validation ? data.validation->size() : 0),
                  grouped(data.test.size())});
  fmt::print("{}", table_text(rows));
  fmt::print("  mean {:.4f}, deviation {:.4f} (of full scale, by channel)\n",
             fmt::join(set.statistics().mean, " "), fmt::join(set.statistics().deviation, " "));
  return 0;
}

namespace {

// A line in place on a terminal, about twice a second; nothing elsewhere.
class Counter {
 public:
  bool operator()(std::int64_t done, std::int64_t total) {
    const auto now = std::chrono::steady_clock::now();
    const bool last = done == total;
    if (::isatty(STDOUT_FILENO) == 0 || (!last && now - shown_ < std::chrono::milliseconds(500)))
      return go_on();
    shown_ = now;
    fmt::print("\r{} of {}{}", grouped(done), grouped(total), last ? "\n" : "");
    std::fflush(stdout);
    return go_on();
  }

 private:
  static bool go_on() { return !interrupted(); }
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace

int run_data_pack(const RunOptions& options, const PackArguments& arguments) {
  install_interrupt_handler();
  RunOptions all = options;
  all.data.validation = 0;
  const DataOptions& o = all.data;
  require(o.name == "imagefolder", "only image folders are packed: --data imagefolder, not {}", o.name);
  const RunData data = open_data(all, std::nullopt);
  const data::PackSummary summary = data::pack_images({data.training, data.test}, arguments.file,
                                                      {.size = arguments.size,
                                                       .quality = arguments.quality,
                                                       .raw = arguments.raw,
                                                       .as_is = arguments.as_is,
                                                       .threads = o.decode_threads,
                                                       .strict = o.strict},
                                                      Counter());
  fmt::print("{}: {} images, {}", arguments.file.string(), grouped(summary.records),
             bytes_text(summary.bytes));
  if (summary.left_out > 0) fmt::print("; {} left out", grouped(summary.left_out));
  if (summary.resumed > 0) fmt::print("; {} were there from before", grouped(summary.resumed));
  fmt::print("\nuse it with: --data packed --data-dir {}\n", arguments.file.string());
  return 0;
}

int run_data_verify(const std::filesystem::path& file) {
  const std::vector<std::string> faults = data::verify_packed(file, Counter());
  for (const std::string& fault : faults) fmt::print("{}\n", fault);
  fmt::print("{}: {}\n", file.string(),
             faults.empty() ? "every record is whole" : grouped(std::ssize(faults)) + " records are damaged");
  return faults.empty() ? 0 : 1;
}

int run_version() {
  const BuildInfo& build = build_info();
  fmt::print("secateur {} ({}, {}, {}{})\n", build.version, build.commit, build.compiler, build.build_type,
             build.cuda ? ", CUDA" : "");
  return 0;
}

}  // namespace secateur::app
