// What the program says about a command line that it cannot read.
#pragma once

#include <CLI/CLI.hpp>

namespace secateur::app {

// Prints the help that was asked for, or what is wrong: for a word or flag that there is not, the nearest
// one; for a word that needs another after it, those there are; for the rest what CLI11 says. Returns the
// exit code: 0 for help, else 2.
int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, const char* const* argv);

}  // namespace secateur::app
