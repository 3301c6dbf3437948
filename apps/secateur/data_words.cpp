#include "secateur/data_words.h"

#include <CLI/CLI.hpp>

namespace secateur::app {

DataWords::DataWords(CLI::App& app, RunOptions& options, Choose choose) : Words(options, std::move(choose)) {
  CLI::App& data = *app.add_subcommand("data", "Data sets: fetch, info, pack, verify");
  data.require_subcommand(1);
  add_fetch(data);
  add_info(data);
  add_pack(data);
  add_verify(data);
}

void DataWords::add_fetch(CLI::App& data) {
  CLI::App& fetch = *data.add_subcommand("fetch", "Download, verify and unpack a data set");
  fetch.add_option("name", fetch_.name, "cifar10 or cifar100")->required();
  fetch.add_option("--data-dir", fetch_.directory, "Where to put it [data-sets]")->type_name("DIR");
  CLI::Option* url =
      fetch.add_option("--url", fetch_.url, "Where to fetch it from instead of its publisher: a mirror")
          ->type_name("URL");
  fetch
      .add_option("--md5", fetch_.md5,
                  "With --url: the checksum of an archive of your own [the publisher's archive is expected]")
      ->type_name("SUM")
      ->needs(url);
  run(fetch, [this] { return run_data_fetch(fetch_); });
}

void DataWords::add_info(CLI::App& data) {
  CLI::App& info = *data.add_subcommand("info", "Show a data set's size, classes and statistics");
  run(info, {.data = true}, [this](const OptionFlags& /*flags*/) { return run_data_info(options_); });
}

void DataWords::add_pack(CLI::App& data) {
  CLI::App& pack =
      *data.add_subcommand("pack", "Pack a folder of images into one file; goes on where it stopped");
  pack.add_option("file", pack_.file, "The file to write")->required()->type_name("FILE");
  pack.add_option("--size", pack_.size,
                  "Shorter side that larger images are scaled to, 0: they keep their size [0]");
  pack.add_option("--quality", pack_.quality, "Of the JPEG of an image that was scaled, 1 to 100 [90]");
  pack.add_flag("--raw", pack_.raw, "Store pixels instead of JPEG");
  pack.add_flag("--as-is", pack_.as_is,
                "Keep JPEG files byte for byte, instead of giving them restart markers (the same pixels; "
                "crops are read faster)");
  run(pack, {.data = true}, [this](const OptionFlags& flags) {
    if (!flags.given("data.name")) options_.data.name = "imagefolder";
    return run_data_pack(options_, pack_);
  });
}

void DataWords::add_verify(CLI::App& data) {
  CLI::App& verify = *data.add_subcommand("verify", "Read and decode every record of a packed file");
  verify.add_option("file", pack_.file, "The packed file")->required()->type_name("FILE");
  run(verify, [this] { return run_data_verify(pack_.file); });
}

}  // namespace secateur::app
