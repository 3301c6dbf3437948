// What --help says beyond the options: what a word does, what it leaves, and how it is called.
#pragma once

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
}  // namespace CLI

namespace secateur::app {

// Adds the pages to the words of the program, once all of them are there, and groups the words in its own
// help. Throws Error where a page has no word or a word no page.
void add_manual(CLI::App& app);

}  // namespace secateur::app
