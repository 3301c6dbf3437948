#include "secateur/train/data_parallel.h"

#include <array>
#include <string>
#include <vector>

#include "secateur/core/host_values.h"

namespace secateur {
namespace {

// Large enough to be worth a message, small enough that the first is on its way early in the backward pass.
constexpr std::int64_t kBucketBytes = std::int64_t{4} << 20;

}  // namespace

DataParallel::DataParallel(Model& model, Stream& stream, Communicator* communicator)
    : model_(model), stream_(stream), communicator_(communicator) {}

BatchPart DataParallel::part_of(std::int64_t first, std::int64_t count) const {
  if (communicator_ == nullptr) return {first, count, 0, count, false};
  const std::int64_t size = communicator_->size();
  if (count < size) return {first, count, 0, count * size, false};
  const Share share = share_of(count, communicator_);
  return {first + share.first, share.count, share.first, count, true};
}

void DataParallel::begin_epoch() {
  if (communicator_ == nullptr || generation_ == model_.generation()) return;
  const ParameterLayout& layout = model_.layout();
  const std::int64_t element = size_of(model_.dtype());
  communicator_->broadcast(stream_, model_.values(), layout.value_elements() * element);
  communicator_->broadcast(stream_, model_.momenta(), layout.trained_elements * element);
  if (model_.averaged()) {
    communicator_->broadcast(stream_, model_.averages(), layout.value_elements() * element);
  }
  // No kernel writes what lies between two parameters' gradients, and a sum takes it along.
  stream_.zero(model_.gradients(), layout.trained_elements * element);
  generation_ = model_.generation();
}

Stream& DataParallel::sum_stream() {
  if (model_.device().kind() != DeviceKind::cuda) return stream_;
  if (side_ == nullptr) {
    side_ = model_.device().make_stream();
    ready_ = model_.device().make_event();
  }
  return *side_;
}

Stream& DataParallel::sum_stream_after_all() {
  Stream& stream = sum_stream();
  if (&stream != &stream_) {
    ready_->record(stream_);
    stream.wait_for(*ready_);
  }
  return stream;
}

void DataParallel::replay(Recording& step) {
  if (communicator_ == nullptr) return step.replay();
  communicator_->replay([&] { step.replay(); });
}

void DataParallel::join_losses(DeviceStep& step) {
  if (communicator_ == nullptr) return;
  double* loss = step.joint_loss();
  communicator_->sum(sum_stream_after_all(), DType::f64, loss, 1);
}

void DataParallel::add_up(double& loss_sum, std::int64_t& top1) {
  if (communicator_ == nullptr) return;
  std::array<double, 2> sums{loss_sum, static_cast<double>(top1)};
  communicator_->sum(sums);
  loss_sum = sums[0];
  top1 = static_cast<std::int64_t>(sums[1]);
}

void DataParallel::on_gradients(std::int64_t first, std::int64_t count) {
  if (pending_count_ == 0) pending_first_ = first;
  pending_count_ += count;
  const std::int64_t element = size_of(model_.dtype());
  const bool last = first + count == model_.layout().trained_elements;
  if (!last && pending_count_ * element < kBucketBytes) return;
  communicator_->sum(sum_stream_after_all(), model_.dtype(),
                     static_cast<std::byte*>(model_.gradients()) + pending_first_ * element, pending_count_);
  pending_count_ = 0;
}

void DataParallel::finish_gradients() {
  if (side_ == nullptr) return;
  ready_->record(*side_);
  stream_.wait_for(*ready_);
}

BatchMetrics DataParallel::total(const BatchMetrics& own, const BatchPart& part) {
  if (communicator_ == nullptr) return own;
  const bool counts = part.shared || communicator_->rank() == 0;
  std::array<double, 4> sums{own.loss_sum, static_cast<double>(own.top1), static_cast<double>(own.top5), 0.0};
  if (!counts) sums.fill(0.0);
  sums[3] = own.finite ? 0.0 : 1.0;
  // A loss that is not finite is said by the last of the sums alone.
  if (!own.finite) sums[0] = 0.0;
  communicator_->sum(sums);
  return {sums[0], static_cast<std::int64_t>(sums[1]), static_cast<std::int64_t>(sums[2]), sums[3] == 0.0};
}

NonFinitePlace DataParallel::first_place(const NonFinitePlace& mine) {
  if (communicator_ == nullptr) return mine;
  const auto gathered = [&](const std::string& text) {
    std::vector<std::string> texts;
    for (const auto& bytes : communicator_->all_gather(std::as_bytes(std::span(text)))) {
      texts.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return texts;
  };
  const std::vector<std::string> layers = gathered(mine.layer);
  const std::vector<std::string> descriptions = gathered(mine.description);
  for (std::size_t rank = 0; rank < layers.size(); ++rank) {
    if (!layers[rank].empty()) return {layers[rank], descriptions[rank]};
  }
  return {layers.front(), descriptions.front()};
}

void DataParallel::average_statistics() {
  std::vector<double> sums;
  const auto each_statistic = [&](const auto& work) {
    for (std::size_t i = 0; i < model_.parameters().size(); ++i) {
      if (!is_trained(model_.parameters()[i].spec.kind)) work(model_.value(static_cast<std::int64_t>(i)));
    }
  };
  each_statistic([&](const Tensor& statistic) {
    const std::vector<double> values = read_values(statistic, stream_);
    sums.insert(sums.end(), values.begin(), values.end());
  });
  communicator_->sum(sums);
  for (double& value : sums) value /= communicator_->size();
  auto next = sums.cbegin();
  each_statistic([&](const Tensor& statistic) {
    const auto end = next + statistic.count();
    write_values(statistic, std::vector<double>(next, end), stream_);
    next = end;
  });
}

void DataParallel::end_epoch() {
  if (communicator_ == nullptr) return;
  average_statistics();
  Fingerprint fingerprint;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < model_.parameters().size(); ++i) {
    const Tensor value = model_.value(static_cast<std::int64_t>(i));
    bytes.resize(static_cast<std::size_t>(value.stored_bytes()));
    stream_.copy_to_host(bytes.data(), value.data, value.stored_bytes());
    fingerprint.add(bytes);
  }
  communicator_->require_equal(fingerprint.value(), "the network after the epoch");
}

}  // namespace secateur
