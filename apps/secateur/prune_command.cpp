#include "secateur/commands.h"
#include "secateur/core/error.h"
namespace secateur::app {
int run_prune(RunOptions, const OptionFlags&, const PruneArguments&) { fail("not yet"); }
int run_demo(RunOptions, const OptionFlags&) { fail("not yet"); }
}  // namespace secateur::app
