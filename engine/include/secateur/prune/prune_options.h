// PruneOptions: every option of the method in one place, with its defaults. What an option means stands here;
// the parts that use them take what they need.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secateur/backend/primitives.h"
#include "secateur/io/option_fields.h"

namespace secateur {

// all: every space that may be pruned. inner: only spaces that no branch is joined with (the inner
// convolutions of a residual block); the trunk keeps its width.
enum class PruneScope : std::uint8_t { all, inner };
// Where the feature maps are read: after the activation (after the add for a trunk), the normalisation, or at
// once.
enum class TapStage : std::uint8_t { relu, bn, conv };
// How the scores of several producers of one space become one, each min-max normalised by itself first.
enum class ProducerReduction : std::uint8_t { mean, max, min, sum };
// per_round: w <- w (1 - r). cumulative: w = w(0) (1 - r t / T). target: rates scaled so that a budget is
// met.
enum class WidthMode : std::uint8_t { per_round, cumulative, target };
// carry: the real-valued width is kept and the stored one follows. ceil: K = ceil(r N) every round. strict:
// as ceil, but only scores strictly below the K-th smallest go.
enum class Rounding : std::uint8_t { carry, ceil, strict };
// greedy: the survivors of a space are scored anew after each removal.
enum class SelectionMode : std::uint8_t { once, greedy };
// Where an author's code parts from the author's text: what the text says, or what the code does.
enum class QuirkMode : std::uint8_t { intended, official };
// flops: multiply-adds of one image. params: trained parameters. memory: parameters and running statistics,
// and the peak of an inference's maps and workspaces. latency: an inference's time, foretold from measured
// layers.
enum class BudgetMeasure : std::uint8_t { flops, params, memory, latency };
// What the epochs before a removal do with the filters that it would take. hard: nothing; they are removed
// afterwards. soft: they are set to zero before the first and after every epoch, train on and may come back;
// the removal takes the last ones (He et al. 2018, SFP). asymptotic: the same with a part of them that grows
// (ASFP).
enum class MaskMode : std::uint8_t { hard, soft, asymptotic };

// dynamic: the schedule of Eq. 15 with the feedback of Eq. 17. constant: fixed weights without feedback.
enum class WeightsMode : std::uint8_t { dynamic, constant };
enum class FeedbackUnit : std::uint8_t { fraction, percent };
enum class FeedbackWhen : std::uint8_t { always, drop, below_tau };
// schedule: the feedback is a factor on the scheduled weights. recursion: Eq. 17 alone, from the start
// values.
enum class FeedbackBase : std::uint8_t { schedule, recursion };
// recovered: accuracy is back within tau of what it was before the removal. literal: better than it was after
// it.
enum class FallbackSuccess : std::uint8_t { recovered, literal };

template <>
struct EnumNames<PruneScope> {
  static constexpr std::array<std::pair<PruneScope, std::string_view>, 2> kTable{
      {{PruneScope::all, "all"}, {PruneScope::inner, "inner"}}};
};
template <>
struct EnumNames<TapStage> {
  static constexpr std::array<std::pair<TapStage, std::string_view>, 3> kTable{
      {{TapStage::relu, "relu"}, {TapStage::bn, "bn"}, {TapStage::conv, "conv"}}};
};
template <>
struct EnumNames<CorrelationKind> {
  static constexpr std::array<std::pair<CorrelationKind, std::string_view>, 3> kTable{
      {{CorrelationKind::signed_mean, "signed"},
       {CorrelationKind::absolute_mean, "abs"},
       {CorrelationKind::squared_mean, "squared"}}};
};
template <>
struct EnumNames<ProducerReduction> {
  static constexpr std::array<std::pair<ProducerReduction, std::string_view>, 4> kTable{
      {{ProducerReduction::mean, "mean"},
       {ProducerReduction::max, "max"},
       {ProducerReduction::min, "min"},
       {ProducerReduction::sum, "sum"}}};
};
template <>
struct EnumNames<WidthMode> {
  static constexpr std::array<std::pair<WidthMode, std::string_view>, 3> kTable{
      {{WidthMode::per_round, "per-round"},
       {WidthMode::cumulative, "cumulative"},
       {WidthMode::target, "target"}}};
};
template <>
struct EnumNames<Rounding> {
  static constexpr std::array<std::pair<Rounding, std::string_view>, 3> kTable{
      {{Rounding::carry, "carry"}, {Rounding::ceil, "ceil"}, {Rounding::strict, "strict"}}};
};
template <>
struct EnumNames<SelectionMode> {
  static constexpr std::array<std::pair<SelectionMode, std::string_view>, 2> kTable{
      {{SelectionMode::once, "once"}, {SelectionMode::greedy, "greedy"}}};
};
template <>
struct EnumNames<QuirkMode> {
  static constexpr std::array<std::pair<QuirkMode, std::string_view>, 2> kTable{
      {{QuirkMode::intended, "intended"}, {QuirkMode::official, "official"}}};
};
template <>
struct EnumNames<BudgetMeasure> {
  static constexpr std::array<std::pair<BudgetMeasure, std::string_view>, 4> kTable{
      {{BudgetMeasure::flops, "flops"},
       {BudgetMeasure::params, "params"},
       {BudgetMeasure::memory, "memory"},
       {BudgetMeasure::latency, "latency"}}};
};
template <>
struct EnumNames<WeightsMode> {
  static constexpr std::array<std::pair<WeightsMode, std::string_view>, 2> kTable{
      {{WeightsMode::dynamic, "dynamic"}, {WeightsMode::constant, "static"}}};
};
template <>
struct EnumNames<FeedbackUnit> {
  static constexpr std::array<std::pair<FeedbackUnit, std::string_view>, 2> kTable{
      {{FeedbackUnit::fraction, "fraction"}, {FeedbackUnit::percent, "percent"}}};
};
template <>
struct EnumNames<FeedbackWhen> {
  static constexpr std::array<std::pair<FeedbackWhen, std::string_view>, 3> kTable{
      {{FeedbackWhen::always, "always"},
       {FeedbackWhen::drop, "drop"},
       {FeedbackWhen::below_tau, "below-tau"}}};
};
template <>
struct EnumNames<FeedbackBase> {
  static constexpr std::array<std::pair<FeedbackBase, std::string_view>, 2> kTable{
      {{FeedbackBase::schedule, "schedule"}, {FeedbackBase::recursion, "recursion"}}};
};
template <>
struct EnumNames<FallbackSuccess> {
  static constexpr std::array<std::pair<FallbackSuccess, std::string_view>, 2> kTable{
      {{FallbackSuccess::recovered, "recovered"}, {FallbackSuccess::literal, "literal"}}};
};

template <>
struct EnumNames<MaskMode> {
  static constexpr std::array<std::pair<MaskMode, std::string_view>, 3> kTable{
      {{MaskMode::hard, "hard"}, {MaskMode::soft, "soft"}, {MaskMode::asymptotic, "asymptotic"}}};
};

struct ControllerOptions {
  WeightsMode weights = WeightsMode::dynamic;
  double alpha_start = 0.8;
  double alpha_end = 0.2;
  double beta_start = 0.3;
  double beta_end = 0.7;
  double static_alpha = 0.8;
  double static_beta = 0.7;
  double gamma = 0.05;
  FeedbackUnit feedback_unit = FeedbackUnit::fraction;
  FeedbackWhen feedback_when = FeedbackWhen::always;
  FeedbackBase feedback_base = FeedbackBase::schedule;
};

struct FallbackOptions {
  bool enabled = true;
  std::int64_t epochs = 5;  // E_f
  double lr_factor = 0.1;   // on the rate at which the round's fine-tuning began
  std::int64_t max_halvings = 3;
  FallbackSuccess success = FallbackSuccess::recovered;
};

struct WidthOptions {
  WidthMode mode = WidthMode::per_round;
  Rounding rounding = Rounding::carry;
  std::int64_t min_channels = 1;
  std::int64_t round_to = 1;
  // By the name of a space, in place of round_to: where a device runs the layers of one faster at other
  // multiples.
  std::map<std::string, std::int64_t, std::less<>> round_to_of = {};
};

struct BudgetOptions {
  BudgetMeasure measure = BudgetMeasure::flops;
  double fraction = 0.5;  // of the unpruned network's cost that may remain
  // In place of the fraction, where it is above 0: multiply-adds, parameters, bytes or seconds.
  double amount = 0;
  std::int64_t batch = 256;  // images of the inference that memory and latency are of
};

// A search over the rates of the layers (prune/search.h), in place of the rate policy. Names as in ABCPruner
// (Lin et al. 2020).
struct SearchOptions {
  std::string name = "none";
  std::int64_t sources = 10;  // candidates that are kept
  std::int64_t cycles = 10;
  std::int64_t patience = 5;  // trials without success before a candidate is given up
  std::int64_t levels = 7;    // P: a layer keeps 1/10 .. P/10 of its channels
  std::int64_t epochs = 2;    // of training before a candidate is measured
};

struct PruneOptions {
  std::int64_t rounds = 15;    // T
  std::int64_t frequency = 1;  // f: prune in every f-th round
  double rate = 0.3;           // psi
  double tau = 0.02;           // accuracy (fraction) that may be lost in a round before the fallback

  std::string criterion = "unified";
  std::string rate_policy = "eq18";
  // Of the policies `fixed` and `sensitivity`: "GLOB=RATE" entries for names of spaces or producers; the
  // first match counts, and a space without one is not pruned.
  std::vector<std::string> rate_table;
  double max_space_rate = 0.9;  // policy `global`: the largest part of one space that may go in a round

  std::int64_t sample_images = 256;  // N
  std::int64_t sample_batch = 64;
  TapStage taps = TapStage::relu;
  CorrelationKind redundancy = CorrelationKind::signed_mean;
  ProducerReduction producer_reduction = ProducerReduction::mean;
  SelectionMode selection = SelectionMode::once;
  QuirkMode quirks = QuirkMode::intended;
  PruneScope scope = PruneScope::all;
  std::vector<std::string> keep;  // globs (* and ?) of spaces and producers that are never pruned

  WidthOptions width;
  BudgetOptions budget;  // of width mode `target`
  ControllerOptions controller;
  FallbackOptions fallback;

  // What the epochs before a removal train with (prune/train_hooks.h), and how strongly.
  std::string train_hook = "none";
  double sparsity = 1e-4;
  MaskMode mask_mode = MaskMode::hard;
  double mask_knee = 0.125;  // D of ASFP: part of the epochs after which 3/4 of the filters are masked
  SearchOptions search;
  // The weights are drawn anew after each removal: the small network from scratch, a control.
  bool reinitialize = false;

  std::int64_t train_epochs = 1;      // before each removal
  std::int64_t finetune_epochs = 10;  // E
  // Rate of training and fine-tuning. A schedule runs over the epochs of one round, `paper` over the whole
  // run.
  std::string lr_schedule = "cosine";
  double learning_rate = 0.01;

  // Accuracy is measured after each removal and each epoch of fine-tuning too, for the record: nothing is
  // decided by it.
  bool watch = false;

  std::uint64_t seed = 1;
};

// Throws Error that names the option, its value and what is possible.
void check(const PruneOptions& options);

// True when `text` matches the glob `pattern` (* any run of characters, ? any one character).
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace secateur
