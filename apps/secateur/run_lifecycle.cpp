#include "secateur/run_lifecycle.h"

#include <fmt/format.h>

#include "secateur/called_as.h"
#include "secateur/run_report.h"
#include "secateur/train/trainer.h"

namespace secateur::app {

RunFolder begin_run(RunOptions& options, OptionFlags& flags, bool resume, const std::string& default_out) {
  if (options.run.out.empty()) options.run.out = default_out;
  RunFolder folder(options.run.out, resume, Processes::join());
  if (!resume) return folder;
  const Recipe stored = folder.stored_recipe();
  flags.apply(stored);
  options.run.out = folder.path().string();
  const Recipe merged = flags.list().to_recipe();
  for (const auto& [key, entry] : merged.entries()) {
    if (!folder.writes() || key == "run.out" || !stored.contains(key) || stored.at(key) == entry.value)
      continue;
    fmt::print("{} is {} from here on; the run was started with {}\n", key, to_toml(entry.value),
               to_toml(stored.at(key)));
  }
  return folder;
}

int finish_run(const RunFolder& folder, const char* word, const std::function<void()>& work) {
  try {
    work();
  } catch (const Interrupted&) {
    if (!folder.writes()) return 130;
    fmt::print("\nstopped; the checkpoint is {}. Go on with: {} {} --out {} --resume\n",
               folder.checkpoint().string(), called_as(), word, folder.path().string());
    return 130;
  }
  if (!folder.writes()) return 0;
  write_run_report(folder);
  fmt::print("model:  {}\nreport: {}\n", folder.model().string(), folder.report().string());
  return 0;
}

}  // namespace secateur::app
