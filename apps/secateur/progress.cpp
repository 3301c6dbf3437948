#include "secateur/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "secateur/text.h"

namespace secateur::app {
namespace {

volatile std::sig_atomic_t stop_signals = 0;

extern "C" void on_stop_signal(int signal) {
  if (stop_signals != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  stop_signals = 1;
}

constexpr double kRedrawSeconds = 0.2;

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_stop_signal);
  std::signal(SIGTERM, on_stop_signal);
}

bool interrupted() { return stop_signals != 0; }

Progress::Progress(std::FILE* stream, bool quiet)
    : stream_(stream), quiet_(quiet), live_(!quiet && ::isatty(::fileno(stream)) == 1) {}

void Progress::begin_phase(const std::string& name, std::int64_t epochs) {
  phase_ = name;
  phase_epochs_ = epochs;
  phase_epoch_ = 0;
}

void Progress::on_step(const StepReport& report) {
  if (!live_) return;
  const bool first = report.step == 0;
  if (!first && report.step + 1 < report.steps && report.seconds - last_drawn_ < kRedrawSeconds) return;
  last_drawn_ = report.seconds;
  const double done = static_cast<double>(report.step + 1) / static_cast<double>(report.steps);
  const double epoch_seconds = report.seconds / done;
  const double left = epoch_seconds * (static_cast<double>(phase_epochs_ - phase_epoch_) - done);
  constexpr int kBar = 24;
  const int filled = static_cast<int>(done * kBar);
  fmt::print(stream_, "\r\033[K{}  {}/{} [{}{}] {:.0f} images/s  loss {:.4f}  lr {:.4g}  {} left", phase_,
             phase_epoch_ + 1, phase_epochs_, std::string(static_cast<std::size_t>(filled), '='),
             std::string(static_cast<std::size_t>(kBar - filled), ' '),
             static_cast<double>(report.samples) / std::max(report.seconds, 1e-9), report.loss,
             report.learning_rate, duration_text(left));
  std::fflush(stream_);
}

void Progress::on_epoch(const EpochReport& report) {
  ++phase_epoch_;
  last_drawn_ = -1;
  if (quiet_) return;
  clear_live_line();
  const double left = report.seconds * static_cast<double>(phase_epochs_ - phase_epoch_);
  fmt::print(stream_, "{}  {}/{}  {:.0f} images/s  loss {:.4f}  train {}  {} left", phase_, phase_epoch_,
             phase_epochs_, report.images_per_second(), report.loss, percent(report.top1),
             duration_text(left));
  line_open_ = true;
  std::fflush(stream_);
}

bool Progress::stop_requested() { return interrupted(); }

void Progress::add_to_epoch(const std::string& text) {
  if (quiet_) return;
  fmt::print(stream_, "  {}", text);
  std::fflush(stream_);
}

void Progress::end_epoch() {
  if (!line_open_) return;
  fmt::print(stream_, "\n");
  line_open_ = false;
  std::fflush(stream_);
}

void Progress::say(const std::string& line) {
  if (quiet_) return;
  end_epoch();
  clear_live_line();
  fmt::print(stream_, "{}\n", line);
  std::fflush(stream_);
}

void Progress::clear_live_line() {
  if (live_) fmt::print(stream_, "\r\033[K");
}

}  // namespace secateur::app
