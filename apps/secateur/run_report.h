// report.html of a run, made from its run log alone, so that a resumed run reports all of it and a report can
// be made again at any time.
#pragma once

#include "secateur/session.h"

namespace secateur::app {

// Reads the folder's run log and writes report.html into the folder. Throws Error when the log cannot be
// read.
void write_run_report(const RunFolder& folder);

}  // namespace secateur::app
