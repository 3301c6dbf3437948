// Primitives: work on whole slabs and feature maps that is no op of a graph - the weight update, norms of
// filters, redundancy of feature maps, the Surgeon's gather. One implementation a device kind, one contract
// for all.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "secateur/backend/device_step.h"
#include "secateur/backend/update.h"
#include "secateur/core/device.h"
#include "secateur/core/tensor.h"

namespace secateur {

struct SgdSettings {
  double learning_rate = 0.1;
  double momentum = 0.9;
  bool nesterov = false;
  double gradient_scale = 1;  // takes a loss scale back out
  // One weight decay an element, beside those of the segments: in device memory, laid out as the weights and
  // of their type. Null: none.
  const void* decay = nullptr;
};

enum class FilterNorm : std::uint8_t { l1, l2, max };

// Rows of a filter matrix [rows, row_length], dense; norms receives one double a row (on the host).
struct NormRequest {
  Tensor filters;  // [K, R, S, C] or [K, C]
  double* norms = nullptr;
};

// How correlations with the other channels are reduced: the paper averages them with their sign.
enum class CorrelationKind : std::uint8_t { signed_mean, absolute_mean, squared_mean };

// Sums over images, kept on the device while a sample streams through (one slot a channel).
//   redundancy_sum[c] += sum over images of sum over k != c of rho(c, k)     (or |rho|, rho^2)
//   constant_images[c] += number of images whose map of channel c is constant
struct RedundancySums {
  double* redundancy_sum = nullptr;
  double* constant_images = nullptr;
};

// One tensor of a removal: out[r, m, j] = in[rows[r], m, columns[g(r)][j]] with in [in_rows, middle,
// in_columns] and out [out_rows, middle, out_columns], dense; g(r) is the group of the kept row r. `columns`
// holds groups x out_columns entries; row_group may be null when groups is 1. Index tables are on the host.
struct GatherSegment {
  const void* source = nullptr;
  void* destination = nullptr;
  std::int64_t middle = 1;
  std::int64_t in_columns = 1;
  std::span<const std::int64_t> rows;
  std::span<const std::int64_t> row_group;
  std::span<const std::int64_t> columns;
  std::int64_t out_columns = 1;
};

// Which images are loaded, and how each is cropped and mirrored: drawn from RandomSequence(seed,
// RngPurpose::augmentation, epoch, samples[*first + n]): the crop's row and column, each below 2 * padding +
// 1, in the image with `padding` black pixels on each side; then a bit, mirrored where it is 1. Of a sample
// in the middle without crop. Pointers are to device memory, which is read when the work runs.
struct ImageAugmentation {
  const std::int32_t* samples = nullptr;  // null: 0, 1, 2, ...
  const std::int64_t* first = nullptr;    // place of the batch in samples and labels; null: 0
  const std::int32_t* labels = nullptr;   // of the samples, in their order; null: none are loaded
  std::int32_t* loaded_labels = nullptr;  // [count]: labels[*first + n]
  std::int64_t padding = 0;
  bool crop = false;
  bool mirror = false;
  std::uint64_t seed = 0;
  const std::uint32_t* epoch = nullptr;  // null: 0
};

class Primitives {
 public:
  virtual ~Primitives() = default;

  // g' = gradient_scale * g + (weight_decay + decay) * w + l1 * sign(w), sign(0) = 0;  v = momentum * v + g';
  // w -= learning_rate * (nesterov ? g' + momentum * v : v). (Sutskever et al. 2013, in the form that PyTorch
  // uses.) Slabs are of the model's element type, `elements` long; what no segment covers is left alone.
  virtual void sgd_update(Stream& stream, DType type, void* weights, const void* gradients, void* momentum,
                          std::span<const UpdateSegment> segments, const SgdSettings& settings) = 0;

  // averages[i] = keep * averages[i] + (1 - keep) * values[i], one pass over `count` elements of the model's
  // type.
  virtual void average_update(Stream& stream, DType type, void* averages, const void* values,
                              std::int64_t count, double keep) = 0;

  // Norm of every filter of every request. l1: sum |w|; l2: sqrt(sum w^2); max: max |w|. Accumulates in
  // float64; on a GPU a lane adds up to a 128th of a filter in float32 first.
  virtual void filter_norms(Stream& stream, FilterNorm norm, std::span<const NormRequest> requests) = 0;

  // Adds the first `images` images of maps [N, H, W, C] to `sums` (C slots each, device memory). The signed
  // mean takes the linear-time identity: with z the standardised map (zero mean, unit length over positions;
  // zeros where it is constant), sum over k != f of rho(f, k) = z_f . s - [f is not constant], s = sum over k
  // of z_k. The other kinds need every pair.
  virtual void accumulate_redundancy(Stream& stream, CorrelationKind kind, const Tensor& maps,
                                     std::int64_t images, const RedundancySums& sums) = 0;

  // Every segment in one pass. Elements are of type `type`.
  virtual void gather(Stream& stream, DType type, std::span<const GatherSegment> segments) = 0;

  // out = a + b, elementwise on equal shapes; out may be a or b.
  virtual void add(Stream& stream, const Tensor& a, const Tensor& b, const Tensor& out) = 0;

  // Every stored element of `out`, padding lanes included, becomes `value`.
  virtual void fill(Stream& stream, const Tensor& out, double value) = 0;

  // images[n, h, w, c] = (pixel / 255 - mean[c]) / deviation[c] for n < count, rounded to the type of
  // `images` [>= count, H, W, C]; padding lanes become zero. The pixel is that of image samples[*first + n]
  // of `pixels` [*, H, W, C] (dense, on the device), cropped and mirrored as asked for. Host devices compute
  // in double, a GPU in float and for at most 4 channels. An index in samples is trusted.
  virtual void load_images(Stream& stream, const std::uint8_t* pixels, std::int64_t count,
                           std::span<const double> mean, std::span<const double> deviation,
                           const ImageAugmentation& augmentation, const Tensor& images) = 0;

  // True when every element of the `count` is finite.
  [[nodiscard]] virtual bool all_finite(Stream& stream, DType type, const void* values,
                                        std::int64_t count) = 0;

  // The scalars of training steps that are to run without the host, where the stream can be recorded; null
  // elsewhere. The stream must outlive them.
  [[nodiscard]] virtual std::unique_ptr<DeviceStep> make_device_step(Stream& /*stream*/) { return nullptr; }
};

// The primitives of a device kind. Throws Error when this build has none for it.
[[nodiscard]] Primitives& primitives_of(DeviceKind kind);
void register_primitives(DeviceKind kind, Primitives& primitives);

}  // namespace secateur
