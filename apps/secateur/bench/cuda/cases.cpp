#include "secateur/bench/cuda/cases.h"

#include <fmt/format.h>

#include "secateur/bench/cuda/device.h"
#include "secateur/bench/cuda/library_runners.h"
#include "secateur/bench/layers.h"
#include "secateur/core/error.h"
#include "secateur/kernels/augment.h"
#include "secateur/kernels/batch_norm_act.h"
#include "secateur/kernels/channel_gather.h"
#include "secateur/kernels/channel_moments.h"
#include "secateur/kernels/elementwise.h"
#include "secateur/kernels/filter_norm.h"
#include "secateur/kernels/pairwise_correlation.h"
#include "secateur/kernels/pooling.h"
#include "secateur/kernels/redundancy.h"
#include "secateur/kernels/sgd_momentum.h"
#include "secateur/kernels/softmax_cross_entropy.h"

namespace secateur::bench {
namespace {

namespace k = kernels;
constexpr const char* kOurs = "secateur";

void check(const k::Status& status) { require(status.ok(), "{}", status.message); }

k::DType type_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return k::DType::f32;
    case Precision::fp16:
      return k::DType::f16;
    case Precision::bf16:
      return k::DType::bf16;
    default:
      fail("the kernels are measured in fp32, fp16 or bf16, not {}", name_of(precision));
  }
}

// What every case needs, and the memory that its runner keeps.
struct Maker {
  k::DType type;
  cudaStream_t stream;

  [[nodiscard]] Memory filled(k::DType element, std::int64_t count, std::uint32_t seed) const {
    auto memory = std::make_shared<DeviceArray>(count * k::size_of(element));
    fill_random(memory->data(), element, count, seed, stream);
    return memory;
  }
  [[nodiscard]] Memory values(std::int64_t count, std::uint32_t seed) const {
    return filled(type, count, seed);
  }
  [[nodiscard]] Memory reals(std::int64_t count, std::uint32_t seed) const {
    return filled(k::DType::f32, count, seed);
  }
  [[nodiscard]] Memory zeros(std::int64_t bytes) const {
    auto memory = std::make_shared<DeviceArray>(bytes);
    check_cuda(cudaMemsetAsync(memory->data(), 0, static_cast<std::size_t>(memory->bytes()), stream),
               "zeroing");
    return memory;
  }
  template <class T>
  [[nodiscard]] Memory uploaded(const std::vector<T>& host) const {
    auto memory = std::make_shared<DeviceArray>(static_cast<std::int64_t>(host.size() * sizeof(T)));
    check_cuda(cudaMemcpy(memory->data(), host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice),
               "copying to the GPU");
    return memory;
  }
};

// ---- maps

Runner moments_runner(const Maker& make, const k::MapShape& shape) {
  const Memory maps = make.values(shape.images * shape.positions * shape.ld, 1);
  const std::int64_t slots = shape.images * shape.channels;
  const Memory out = make.zeros(4 * slots * 4);
  auto* first = out->as<float>();
  const k::ChannelMoments moments{first, first + slots, first + 2 * slots, first + 3 * slots};
  return {[=, keep = out] { check(k::channel_moments(moments, maps->data(), shape, make.stream)); }, nullptr};
}

Runner redundancy_runner(const Maker& make, const k::MapShape& shape) {
  const Memory maps = make.values(shape.images * shape.positions * shape.ld, 1);
  const Memory sums = make.zeros(2 * shape.channels * 8);
  const Memory scratch = make.zeros(k::redundancy_workspace(shape));
  return {[=] {
            check(k::redundancy(sums->as<double>(), sums->as<double>() + shape.channels, maps->data(), shape,
                                scratch->data(), scratch->bytes(), make.stream));
          },
          nullptr};
}

Runner correlation_runner(const Maker& make, const k::MapShape& shape, k::CorrelationArithmetic arithmetic) {
  const Memory maps = make.values(shape.images * shape.positions * shape.ld, 1);
  const Memory matrix = make.zeros(shape.channels * shape.channels * 4);
  const Memory scratch = make.zeros(k::pairwise_correlation_workspace(shape));
  return {[=] {
            check(k::pairwise_correlation(matrix->as<float>(), nullptr, maps->data(), shape,
                                          k::CorrelationKind::absolute, arithmetic, scratch->data(),
                                          scratch->bytes(), make.stream));
          },
          nullptr};
}

Runner batch_norm_runner(const Maker& make, const k::BatchNormShape& shape, bool backward) {
  const std::int64_t count = shape.rows * shape.ld;
  const Memory x = make.values(count, 1);
  const Memory y = make.values(count, 2);
  const Memory dy = backward ? make.values(count, 3) : nullptr;
  const Memory dx = backward ? make.values(count, 5) : nullptr;
  const Memory vectors = make.reals(8 * shape.channels, 4);
  const Memory scratch = make.zeros(k::batch_norm_workspace(shape));
  const auto vector = [=](std::int64_t i) { return vectors->as<float>() + i * shape.channels; };
  const k::BatchNormParameters parameters{vector(0), vector(1), 1e-5F};
  const auto forward = [=] {
    check(k::batch_norm_act_training(y->data(), vector(2), vector(3), {vector(4), vector(5), 0.1F}, x->data(),
                                     nullptr, parameters, true, shape, scratch->data(), scratch->bytes(),
                                     make.stream));
  };
  if (!backward) return {forward, nullptr};
  forward();
  return {[=] {
            check(k::batch_norm_act_backward({dx->data(), nullptr, vector(6), vector(7)}, dy->data(),
                                             x->data(), nullptr, parameters, vector(2), vector(3), true, true,
                                             shape, scratch->data(), scratch->bytes(), make.stream));
          },
          nullptr};
}

Runner add_runner(const Maker& make, const k::ElementwiseShape& shape) {
  const std::int64_t count = shape.rows * shape.ld;
  const Memory a = make.values(count, 1);
  const Memory b = make.values(count, 2);
  const Memory out = make.values(count, 3);
  return {[=] { check(k::add(out->data(), a->data(), b->data(), false, shape, make.stream)); }, nullptr};
}

Runner nonfinite_runner(const Maker& make, const k::ElementwiseShape& shape) {
  const Memory values = make.values(shape.rows * shape.ld, 1);
  const Memory flag = make.zeros(4);
  return {[=] { check(k::find_nonfinite(flag->as<std::int32_t>(), values->data(), shape, make.stream)); },
          nullptr};
}

void add_map_cases(std::vector<Case>& cases, const std::string& name, const ConvLayer& layer,
                   std::int64_t batch, const Maker& make) {
  const std::int64_t c = layer.channels;
  const k::MapShape maps{make.type, batch, layer.positions(), c, c};
  const k::BatchNormShape norm{make.type, batch * layer.positions(), c, c, 0};
  const k::ElementwiseShape flat{make.type, batch * layer.positions(), c, c};
  const MapWork work{batch, layer.positions(), c, k::size_of(make.type)};
  const std::string dimensions = fmt::format("{}x{}x{}x{}", batch, layer.side, layer.side, c);
  const auto add = [&](const char* kernel, const Work& counted, std::function<Runner()> runner) {
    cases.push_back({kernel, name, dimensions, counted, false, {{kOurs, std::move(runner)}}});
  };
  const library::Place place{make.type, make.stream};
  const std::int64_t positions = layer.positions();
  const auto beside = [&](const char* library, std::function<Runner()> runner) {
    cases.back().contenders.push_back({library, std::move(runner)});
  };
  add("channel_moments", channel_moments_work(work), [=] { return moments_runner(make, maps); });
  add("redundancy", redundancy_work(work), [=] { return redundancy_runner(make, maps); });
  add("pairwise_correlation", pairwise_correlation_work(work),
      [=] { return correlation_runner(make, maps, k::CorrelationArithmetic::tensor_core); });
  cases.back().tensor_cores = true;
  cases.back().contenders.push_back({"secateur, fp32 arithmetic", [=] {
                                       return correlation_runner(make, maps, k::CorrelationArithmetic::fp32);
                                     }});
  beside("cuBLASLt, the product alone", [=] { return library::correlation(place, batch, positions, c); });
  add("batch_norm_act", batch_norm_act_work(work), [=] { return batch_norm_runner(make, norm, false); });
  beside("cuDNN, without ReLU", [=] { return library::batch_norm(place, batch, positions, c, false); });
  add("batch_norm_act_backward", batch_norm_act_backward_work(work),
      [=] { return batch_norm_runner(make, norm, true); });
  beside("cuDNN, without ReLU", [=] { return library::batch_norm(place, batch, positions, c, true); });
  add("add", add_work(work), [=] { return add_runner(make, flat); });
  if (batch * positions * c % 1024 == 0) {
    beside("cuDNN", [=] { return library::add(place, batch * positions * c); });
  }
  add("find_nonfinite", find_nonfinite_work(work), [=] { return nonfinite_runner(make, flat); });
}

// ---- whole networks

Runner filter_norm_runner(const Maker& make, const NetworkLayers& network) {
  const Memory weights = make.values(network.filter_weights(), 1);
  const Memory norms = make.zeros(8 * network.filters());
  std::vector<k::FilterNormSegment> segments;
  auto* next = weights->as<char>();
  auto* norm = norms->as<double>();
  for (const ConvLayer& layer : network.convolutions) {
    for (std::int64_t i = 0; i < layer.count; ++i) {
      segments.push_back({norm, next, layer.channels, layer.filter_size()});
      next += layer.channels * layer.filter_size() * k::size_of(make.type);
      norm += layer.channels;
    }
  }
  return {[=, keep = weights, keep_too = norms] {
            check(k::filter_norm(segments.data(), static_cast<std::int64_t>(segments.size()), make.type,
                                 k::NormKind::l1, true, make.stream));
          },
          nullptr};
}

Runner sgd_runner(const Maker& make, std::int64_t count) {
  const bool has_copy = make.type != k::DType::f32;
  const Memory weights = make.reals(count, 1);
  const Memory momentum = make.reals(count, 2);
  const Memory gradients = make.values(count, 3);
  const Memory copy = has_copy ? make.values(count, 4) : nullptr;
  const Memory step = make.uploaded(std::vector<k::SgdStep>{{0.01F, 0.9F, 1.0F, 1}});
  const k::SgdSlab slab{weights->as<float>(),
                        momentum->as<float>(),
                        gradients->data(),
                        make.type,
                        has_copy ? copy->data() : nullptr,
                        make.type};
  k::SgdSegment segment;
  segment.count = count;
  segment.row_length = segment.gradient_stride = segment.copy_stride = count;
  segment.weight_decay = 5e-4F;
  return {[=, keep = std::vector<Memory>{weights, momentum, gradients, copy}] {
            check(k::sgd_momentum(slab, &segment, 1, step->as<k::SgdStep>(), nullptr, make.stream));
          },
          nullptr};
}

Runner gather_runner(const Maker& make, const NetworkLayers& network) {
  const Memory in = make.values(network.filter_weights(), 1);
  const Memory out = make.values(half_of_weights(network), 2);
  std::vector<std::int32_t> every_second(4096);
  std::vector<std::int32_t> every(every_second.size());
  for (std::size_t i = 0; i < every.size(); ++i) {
    every[i] = static_cast<std::int32_t>(i);
    every_second[i] = static_cast<std::int32_t>(2 * i);
  }
  const Memory halves = make.uploaded(every_second);
  const Memory all = make.uploaded(every);
  std::vector<k::GatherSegment> segments;
  auto* from = in->as<char>();
  auto* to = out->as<char>();
  for (const ConvLayer& layer : network.convolutions) {
    for (std::int64_t i = 0; i < layer.count; ++i) {
      k::GatherSegment segment;
      segment.in = from;
      segment.out = to;
      segment.rows = halves->as<std::int32_t>();
      segment.out_rows = layer.channels / 2;
      segment.middle = layer.kernel * layer.kernel;
      segment.in_columns = layer.in_channels;
      segment.out_columns = segment.out_stride = half_of_inputs(layer);
      const bool whole = segment.out_columns == segment.in_columns;
      segment.columns = whole ? all->as<std::int32_t>() : halves->as<std::int32_t>();
      segments.push_back(segment);
      from += layer.channels * layer.filter_size() * k::size_of(make.type);
      to += segment.out_rows * segment.middle * segment.out_columns * k::size_of(make.type);
    }
  }
  return {[=, keep = std::vector<Memory>{in, out, halves, all}] {
            check(k::channel_gather(segments.data(), static_cast<std::int64_t>(segments.size()),
                                    static_cast<int>(k::size_of(make.type)), make.stream));
          },
          nullptr};
}

Runner loss_runner(const Maker& make, std::int64_t samples, std::int64_t classes) {
  const Memory logits = make.values(samples * classes, 1);
  const Memory gradient = make.values(samples * classes, 2);
  const Memory losses = make.zeros(4 * samples);
  const Memory metrics = make.zeros(sizeof(k::LossMetrics));
  std::vector<std::int32_t> host(static_cast<std::size_t>(samples));
  for (std::size_t n = 0; n < host.size(); ++n) {
    host[n] = static_cast<std::int32_t>(static_cast<std::int64_t>(n) % classes);
  }
  const Memory labels = make.uploaded(host);
  k::LossOptions options;
  options.host_scale = 1.0F / static_cast<float>(samples);
  return {
      [=] {
        check(k::softmax_cross_entropy(losses->as<float>(), gradient->data(), metrics->as<k::LossMetrics>(),
                                       logits->data(), labels->as<std::int32_t>(), nullptr, options,
                                       {make.type, samples, classes, classes}, make.stream));
      },
      nullptr};
}

Runner pool_runner(const Maker& make, std::int64_t batch, const PoolLayer& layer) {
  k::PoolShape shape;
  shape.type = make.type;
  shape.images = batch;
  shape.height = shape.width = layer.side;
  shape.channels = shape.ld = shape.out_ld = layer.channels;
  shape.kernel_height = shape.kernel_width = static_cast<int>(layer.kernel);
  shape.stride_height = shape.stride_width = static_cast<int>(layer.stride);
  shape.padding_height = shape.padding_width = static_cast<int>(layer.padding());
  const std::int64_t outputs = batch * layer.out_side() * layer.out_side() * layer.channels;
  const Memory x = make.values(batch * layer.side * layer.side * layer.channels, 1);
  const Memory y = make.values(outputs, 2);
  const Memory choice = make.zeros(outputs);
  return {[=] { check(k::max_pool(y->data(), choice->as<std::uint8_t>(), x->data(), shape, make.stream)); },
          nullptr};
}

// CIFAR's kind of set, as many images as CIFAR-10 has, a random batch of it.
Runner augment_runner(const Maker& make, std::int64_t batch, std::int64_t side, std::int64_t ld) {
  constexpr std::int64_t kImages = 50000;
  const Memory source = make.zeros(kImages * side * side * 3);
  fill_random(source->data(), k::DType::f32, source->bytes() / 4, 1, make.stream);
  const Memory out = make.values(batch * side * side * ld, 2);
  std::vector<std::int32_t> host(static_cast<std::size_t>(batch));
  for (std::size_t n = 0; n < host.size(); ++n) {
    host[n] = static_cast<std::int32_t>(n * 7919 % static_cast<std::size_t>(kImages));
  }
  const Memory samples = make.uploaded(host);
  const Memory epoch = make.zeros(4);
  k::AugmentOptions options;
  options.type = make.type;
  options.height = options.width = options.out_height = options.out_width = side;
  options.padding = 4;
  options.ld = ld;
  options.random_crop = options.random_flip = true;
  return {[=] {
            check(k::augment(out->data(), source->as<std::uint8_t>(),
                             {.samples = samples->as<std::int32_t>(), .epoch = epoch->as<std::uint32_t>()},
                             batch, options, make.stream));
          },
          nullptr};
}

void add_network_cases(std::vector<Case>& cases, const NetworkLayers& network, std::int64_t batch,
                       const Maker& make) {
  const std::int64_t element = k::size_of(make.type);
  const auto add = [&](const char* kernel, std::string_view shape, std::string dimensions, const Work& work,
                       std::function<Runner()> runner) {
    cases.push_back({kernel,
                     fmt::format("{}/{}", network.name, shape),
                     std::move(dimensions),
                     work,
                     false,
                     {{kOurs, std::move(runner)}}});
  };
  const auto& net = network;
  add("filter_norm", "all", fmt::format("{} filters", net.filters()),
      filter_norm_work(net.filters(), net.filter_weights(), element),
      [make, &net] { return filter_norm_runner(make, net); });
  add("sgd_momentum", "all", fmt::format("{} parameters", net.parameters()),
      sgd_momentum_work(net.parameters(), element, make.type == k::DType::f32 ? 0 : 2),
      [make, &net] { return sgd_runner(make, net.parameters()); });
  add("channel_gather", "all", fmt::format("{} kept", half_of_weights(net)),
      channel_gather_work(half_of_weights(net), element), [make, &net] { return gather_runner(make, net); });
  add("softmax_cross_entropy", "logits", fmt::format("{}x{}", batch, net.classes),
      softmax_cross_entropy_work(batch, net.classes, element),
      [=, &net] { return loss_runner(make, batch, net.classes); });
  const library::Place place{make.type, make.stream};
  cases.back().contenders.push_back(
      {"cuDNN, log-softmax alone", [=, &net] { return library::softmax(place, batch, net.classes); }});
  if (net.image_side == 32) {
    constexpr std::int64_t kStored = 8;  // channels, padded for the first convolution
    add("augment", "images", fmt::format("{}x32x32x3", batch), augment_work(batch, 1024, 3, kStored, element),
        [=] { return augment_runner(make, batch, 32, kStored); });
  }
  for (const PoolLayer& layer : net.pools) {
    const MapWork input{batch, layer.side * layer.side, layer.channels, element};
    add("max_pool", layer.name, fmt::format("{}x{}x{}x{}", batch, layer.side, layer.side, layer.channels),
        max_pool_work(input, layer.out_side() * layer.out_side(), layer.kernel * layer.kernel, true),
        [=] { return pool_runner(make, batch, layer); });
    cases.back().contenders.push_back({"cuDNN", [=] { return library::max_pool(place, batch, layer); }});
  }
}

}  // namespace

std::vector<Case> cuda_cases(const BenchOptions& options, kernels::StreamHandle stream) {
  const Maker make{type_of(options.precision), stream};
  std::vector<Case> cases;
  for (const NetworkLayers& network : networks()) {
    const std::int64_t batch = options.batch > 0 ? options.batch : network.batch;
    add_network_cases(cases, network, batch, make);
    for (const ConvLayer& layer : distinct_maps(network)) {
      add_map_cases(cases, fmt::format("{}/{}", network.name, layer.name), layer, batch, make);
    }
  }
  std::erase_if(cases, [&](const Case& one) { return !selected(options, one.kernel, one.shape); });
  return cases;
}

}  // namespace secateur::bench
