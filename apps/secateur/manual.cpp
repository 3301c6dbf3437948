#include "secateur/manual.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/called_as.h"
#include "secateur/core/error.h"

namespace secateur::app {
namespace {

struct Page {
  std::string_view word;   // "data fetch"
  std::string_view group;  // heading in the program's own help; empty below a word
  std::string_view text;
};

constexpr std::string_view kFirst = "First steps";
constexpr std::string_view kNetworks = "Training and pruning";
constexpr std::string_view kData = "Data";
constexpr std::string_view kElsewhere = "Deployment and other frameworks";
constexpr std::string_view kWatching = "Experiments, measurements, reports";

// In the order in which the program's own help lists the words.
constexpr std::array kPages{
    Page{
        "demo", kFirst,
        R"(Takes minutes and no data: the images are drawn. Leaves the trained network in OUT/base, the pruned one in
OUT/pruned, and in both a report.html to open in a browser.

Examples:
  secateur demo
  secateur demo --data cifar10 --data-dir data-sets --model resnet20 --out runs/demo-cifar10)"},
    Page{"doctor", kFirst, R"(Examples:
  secateur doctor
  secateur doctor --describe-gpu)"},
    Page{"selftest", kFirst, R"(Compares with a float64 reference; the exit code is 1 where a check fails.

Example:
  secateur selftest --device cuda --json selftest.json)"},
    Page{"version", kFirst, R"(Example:
  secateur version)"},
    Page{"train", kNetworks,
         R"(Leaves in OUT: model.h5 (the network), last.h5 (what --resume goes on from), run.jsonl (the log),
recipe.toml (every option) and report.html. Ctrl-C stops after the step and saves; the run goes on with the same
bits as if it had not been stopped.

Examples:
  secateur train --model resnet20 --data cifar10 --data-dir data-sets --epochs 30 --schedule onecycle --out runs/r20
  secateur train --resume --out runs/r20
  secateur train --recipe apps/experiments/recipes/cpu-small-train.toml --out runs/r20)"},
    Page{
        "prune", kNetworks,
        R"(Each round scores the channels, plans which to remove, removes them from the tensors and trains on. A round that
costs more than --tau of validation accuracy is trained further, and taken back if that does not help.
Leaves the same files as train, and prints accuracy, size and speed before and after.

Examples:
  secateur prune --weights runs/r20/model.h5 --data cifar10 --data-dir data-sets --budget 0.5 --dry-run
  secateur prune --weights runs/r20/model.h5 --data cifar10 --data-dir data-sets --budget 0.5 --rounds 5 --out runs/half
  secateur prune --weights runs/r20/model.h5 --data cifar10 --data-dir data-sets --latency 1.5ms@256 --out runs/fast
  secateur prune --resume --out runs/half)"},
    Page{
        "sensitivity", kNetworks,
        R"(Leaves the table of every layer and fraction, rates.toml for prune --rate-policy sensitivity, and cie.toml for
prune --rate-policy cie. An interrupted measurement goes on where it stopped.

Example:
  secateur sensitivity runs/r20/model.h5 --data cifar10 --data-dir data-sets --tolerance 0.02 --out runs/sensitivity)"},
    Page{"eval", kNetworks, R"(Prints top-1, top-5 and loss.

Examples:
  secateur eval runs/half/model.h5 --data cifar10 --data-dir data-sets
  secateur eval runs/half/model.h5 --data cifar10 --data-dir data-sets --part validation --json)"},
    Page{"inspect", kNetworks, R"(Examples:
  secateur inspect
  secateur inspect resnet56
  secateur inspect runs/half/model.h5 --json
  secateur inspect --verify --base runs/r20/model.h5 runs/half/model.h5)"},
    Page{"data", kData, ""},
    Page{
        "data fetch", "",
        R"(Uses curl or wget, md5sum and tar. What was not downloaded whole, or has another checksum, is not kept; the same
command starts anew.

Examples:
  secateur data fetch cifar10 --data-dir data-sets
  secateur data fetch cifar10 --url http://mirror.example/cifar-10-binary.tar.gz --data-dir data-sets)"},
    Page{"data info", "", R"(Example:
  secateur data info --data cifar10 --data-dir data-sets)"},
    Page{"data pack", "", R"(Example:
  secateur data pack imagenet.h5 --data-dir ROOT --size 256)"},
    Page{"data verify", "", R"(Example:
  secateur data verify imagenet.h5)"},
    Page{
        "infer", kElsewhere,
        R"(Prints a line an image: its path, then class and probability, separated by tabs. The exit code is 1 where a file
could not be read; the others are classified all the same.

Examples:
  secateur infer runs/half/model.h5 photos --topk 3
  secateur infer runs/half/model.h5 --list - --json)"},
    Page{"export", kElsewhere, R"(Examples:
  secateur export runs/half/model.h5 --format onnx --fold-bn --dynamic-batch --out half.onnx
  secateur export runs/half/model.h5 --format safetensors --names torchvision --out half.safetensors)"},
    Page{"import", kElsewhere, R"(Refuses what does not fit, by the name of the tensor.

Example:
  secateur import resnet50.safetensors --from torchvision --model resnet50 --out resnet50.h5)"},
    Page{"plan", kElsewhere, R"(Takes a build with CUDA and no GPU.

Examples:
  secateur plan
  secateur plan --gpu h200 resnet56 --batch 256)"},
    Page{
        "run", kWatching,
        R"(Leaves results.json, results.csv, figures, report.html and every run in OUT. What was finished is not run again.

Examples:
  secateur run
  secateur run compare --quick
  secateur run table2 --data-dir data-sets --seeds 3)"},
    Page{"bench", kWatching, ""},
    Page{"bench kernels", "", R"(Example:
  secateur bench kernels --json kernels.json --svg roofline.svg)"},
    Page{"bench score", "", R"(Example:
  secateur bench score --model resnet50)"},
    Page{"bench loader", "", R"(Example:
  secateur bench loader --data imagefolder --data-dir ROOT --against pytorch)"},
    Page{"bench train", "", R"(Example:
  secateur bench train --model resnet20 --against pytorch)"},
    Page{"bench infer", "", R"(Examples:
  secateur bench infer --model resnet56 --round-to 1 8 16 32
  secateur bench infer --model resnet56 --round-to 1 8 16 32 --gpu h200 --precision bf16)"},
    Page{"report", kWatching, R"(Example:
  secateur report runs/r20 runs/half --out all.html)"},
    Page{"watch", kWatching, R"(Reads the run's log, from any terminal, and ends with the run.

Examples:
  secateur watch runs/half
  secateur watch runs/half --once)"},
};

constexpr std::string_view kProgram = R"(
secateur WORD --help shows the options of a word, with their defaults, and examples. secateur --check WORD ... reads a
command line and its recipe and does nothing.

Files:
  runs/NAME            what a run leaves (--out): model.h5, last.h5, run.jsonl, recipe.toml, report.html
  $SECATEUR_DATA       where data sets are looked for without --data-dir

Exit codes:
  0    the work was done
  1    it was not; the last line says why
  2    the command line could not be read
  130  stopped by Ctrl-C; the last line says how to go on)";

std::vector<CLI::App*> words_below(CLI::App& command) {
  return command.get_subcommands([](CLI::App*) { return true; });
}

// Attaches the pages of a word and of those below it. Returns how many there were.
std::size_t attach(CLI::App& command, const std::string& path) {
  const auto* page = std::ranges::find(kPages, path, &Page::word);
  require(page != kPages.end(), "the word '{}' has no page in the manual", path);
  if (!page->text.empty()) command.footer("\n" + as_called(page->text));
  if (!page->group.empty()) command.group(std::string(page->group));
  std::size_t pages = 1;
  for (CLI::App* word : words_below(command)) pages += attach(*word, path + " " + word->get_name());
  return pages;
}

}  // namespace

void add_manual(CLI::App& app) {
  std::size_t pages = 0;
  for (CLI::App* word : words_below(app)) pages += attach(*word, word->get_name());
  require(pages == kPages.size(), "the manual has {} pages for {} words", kPages.size(), pages);
  for (const Page& page : kPages) {
    if (page.group.empty()) continue;
    const CLI::App_p word = app.get_subcommand_ptr(std::string(page.word));
    app.remove_subcommand(word.get());
    app.add_subcommand(word);
  }
  app.footer(as_called(kProgram));
}

}  // namespace secateur::app
