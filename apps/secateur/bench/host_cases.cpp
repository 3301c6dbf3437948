#include "secateur/bench/host_cases.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "secateur/backend/primitives.h"
#include "secateur/bench/host_array.h"
#include "secateur/bench/host_twin_cases.h"
#include "secateur/bench/layers.h"
#include "secateur/bench/onednn_runners.h"
#include "secateur/bench/op_runner.h"
#include "secateur/bench/plain_loops.h"

namespace secateur::bench {
namespace {

constexpr const char* kOurs = "secateur";
constexpr const char* kPlain = "plain loops, 1 thread";

// What every call of a primitive needs.
struct Host {
  std::unique_ptr<Device> device = make_host_device(DeviceKind::cpu);
  std::unique_ptr<Stream> stream = device->make_stream();
  Primitives& primitives = (register_builtin_kernels(), primitives_of(DeviceKind::cpu));
};

using Doubles = std::shared_ptr<std::vector<double>>;
Doubles doubles(std::int64_t count) {
  return std::make_shared<std::vector<double>>(static_cast<std::size_t>(count));
}
void clear(std::vector<double>& values) { std::fill(values.begin(), values.end(), 0.0); }
double digest_of(const std::vector<double>& values) {
  return digest(values.data(), static_cast<std::int64_t>(values.size()));
}

// ---- maps

struct Maps {
  std::int64_t images;
  std::int64_t side;
  std::int64_t channels;

  [[nodiscard]] std::int64_t positions() const { return side * side; }
  [[nodiscard]] std::int64_t count() const { return images * positions() * channels; }
  [[nodiscard]] Shape shape() const { return {images, side, side, channels}; }
};

Runner correlation_runner(const Maps& maps, CorrelationKind kind) {
  auto host = std::make_shared<Host>();
  const Floats values = floats(maps.count(), 1);
  const Doubles sums = doubles(maps.channels);
  const Doubles constant = doubles(maps.channels);
  return {[=] {
            clear(*sums);
            host->primitives.accumulate_redundancy(*host->stream, kind,
                                                   Tensor(values->data(), DType::f32, maps.shape()),
                                                   maps.images, {sums->data(), constant->data()});
          },
          [=] { return digest_of(*sums); }};
}

Runner plain_correlation_runner(const Maps& maps, bool absolute) {
  const Floats values = floats(maps.count(), 1);
  const Doubles sums = doubles(maps.channels);
  return {[=] {
            clear(*sums);
            plain::correlation_sums(sums->data(), values->data(), maps.images, maps.positions(),
                                    maps.channels, absolute);
          },
          [=] { return digest_of(*sums); }};
}

Runner plain_batch_norm_runner(const Maps& maps) {
  const Floats x = floats(maps.count(), 1);
  const Floats y = floats(maps.count(), 0);
  const Floats scale = floats(maps.channels, 2);
  const Floats shift = floats(maps.channels, 4);
  return {[=] {
            plain::batch_norm_relu(y->data(), x->data(), scale->data(), shift->data(),
                                   maps.images * maps.positions(), maps.channels);
          },
          [=] { return digest(y->data(), y->count()); }};
}

Runner add_runner(const Maps& maps, bool loops) {
  auto host = std::make_shared<Host>();
  const Floats a = floats(maps.count(), 1);
  const Floats b = floats(maps.count(), 2);
  const Floats out = floats(maps.count(), 3);
  const auto tensor = [shape = maps.shape()](const Floats& values) {
    return Tensor(values->data(), DType::f32, shape);
  };
  return {[=] {
            if (loops) {
              plain::add(out->data(), a->data(), b->data(), out->count());
            } else {
              host->primitives.add(*host->stream, tensor(a), tensor(b), tensor(out));
            }
          },
          [=] { return digest(out->data(), out->count()); }};
}

Runner finite_runner(const Maps& maps, bool loops) {
  auto host = std::make_shared<Host>();
  const Floats values = floats(maps.count(), 1);
  auto finite = std::make_shared<bool>(false);
  return {[=] {
            *finite = loops ? plain::all_finite(values->data(), values->count())
                            : host->primitives.all_finite(*host->stream, DType::f32, values->data(),
                                                          values->count());
          },
          [=] { return *finite ? 1.0 : 0.0; }};
}

Node batch_norm_node() {
  return {"bn", "batch_norm_act", {0}, {{"relu", std::int64_t{1}}, {"epsilon", 1e-5}, {"momentum", 0.1}}};
}

void add_map_cases(std::vector<Case>& cases, const std::string& name, const Maps& maps) {
  const MapWork work{maps.images, maps.positions(), maps.channels, 4};
  const std::string dimensions = fmt::format("{}x{}x{}x{}", maps.images, maps.side, maps.side, maps.channels);
  const auto add = [&](const char* kernel, const Work& counted, std::vector<Contender> contenders) {
    cases.push_back({kernel, name, dimensions, counted, false, std::move(contenders)});
  };
  add("redundancy", redundancy_work(work),
      {{kOurs, [=] { return correlation_runner(maps, CorrelationKind::signed_mean); }},
       {kPlain, [=] { return plain_correlation_runner(maps, false); }}});
  add("pairwise_correlation", pairwise_correlation_work(work),
      {{kOurs, [=] { return correlation_runner(maps, CorrelationKind::absolute_mean); }},
       {kPlain, [=] { return plain_correlation_runner(maps, true); }},
       {"oneDNN matmul", [=] { return onednn::correlation(maps.images, maps.positions(), maps.channels); }}});
  cases.back().tensor_cores = true;
  add("batch_norm_act", batch_norm_act_work(work),
      {{kOurs, [=] { return op_runner(batch_norm_node(), {maps.shape()}, Pass::forward); }},
       {kPlain, [=] { return plain_batch_norm_runner(maps); }},
       {"oneDNN", [=] { return onednn::batch_norm(maps.images, maps.side, maps.channels, false); }}});
  add("batch_norm_act_backward", batch_norm_act_backward_work(work),
      {{kOurs, [=] { return op_runner(batch_norm_node(), {maps.shape()}, Pass::backward); }},
       {"oneDNN", [=] { return onednn::batch_norm(maps.images, maps.side, maps.channels, true); }}});
  add("add", add_work(work),
      {{kOurs, [=] { return add_runner(maps, false); }},
       {kPlain, [=] { return add_runner(maps, true); }},
       {"oneDNN", [=] { return onednn::add(maps.count()); }}});
  add("find_nonfinite", find_nonfinite_work(work),
      {{kOurs, [=] { return finite_runner(maps, false); }},
       {kPlain, [=] { return finite_runner(maps, true); }}});
}

// ---- whole networks

Runner filter_norm_runner(const NetworkLayers& network, bool loops) {
  auto host = std::make_shared<Host>();
  auto weights = std::make_shared<std::vector<Floats>>();
  auto requests = std::make_shared<std::vector<NormRequest>>();
  const Doubles norms = doubles(network.filters());
  double* next = norms->data();
  for (const ConvLayer& layer : network.convolutions) {
    for (std::int64_t i = 0; i < layer.count; ++i) {
      weights->push_back(
          floats(layer.channels * layer.filter_size(), static_cast<std::uint32_t>(weights->size() + 1)));
      requests->push_back(
          {Tensor(weights->back()->data(), DType::f32, {layer.channels, layer.filter_size()}), next});
      next += layer.channels;
    }
  }
  return {[=] {
            if (!loops) {
              host->primitives.filter_norms(*host->stream, FilterNorm::l1, *requests);
              return;
            }
            for (const NormRequest& request : *requests) {
              plain::filter_norm(request.norms, request.filters.as<float>(), request.filters.shape[0],
                                 request.filters.shape[1]);
            }
          },
          [=, alive = weights] { return digest_of(*norms); }};
}

Runner sgd_runner(const NetworkLayers& network, bool loops) {
  auto host = std::make_shared<Host>();
  const std::int64_t count = network.parameters();
  const Floats weights = floats(count, 1);
  const Floats gradients = floats(count, 2);
  const Floats momentum = floats(count, 3);
  return {[=] {
            if (loops) {
              plain::sgd_momentum(weights->data(), gradients->data(), momentum->data(), count, 0.01F, 0.9F,
                                  5e-4F);
              return;
            }
            const UpdateSegment segment{0, count, 5e-4};
            host->primitives.sgd_update(*host->stream, DType::f32, weights->data(), gradients->data(),
                                        momentum->data(), std::span(&segment, 1),
                                        {.learning_rate = 0.01, .momentum = 0.9, .nesterov = false});
          },
          nullptr};  // the weights depend on how often it ran
}

struct Gathering {
  Host host;
  std::vector<Floats> arrays;
  std::vector<std::vector<std::int64_t>> tables;
  std::vector<GatherSegment> segments;
};

Runner gather_runner(const NetworkLayers& network, bool loops) {
  auto work = std::make_shared<Gathering>();
  for (const ConvLayer& layer : network.convolutions) {
    const std::int64_t columns = half_of_inputs(layer);
    const std::int64_t step = columns == layer.in_channels ? 1 : 2;
    for (std::int64_t i = 0; i < layer.count; ++i) {
      const std::int64_t rows = layer.channels / 2;
      const std::int64_t middle = layer.kernel * layer.kernel;
      const auto seed = static_cast<std::uint32_t>(work->arrays.size() + 1);
      work->arrays.push_back(floats(layer.channels * layer.filter_size(), seed));
      work->arrays.push_back(floats(rows * middle * columns, 0));
      std::vector<std::int64_t> kept_rows(static_cast<std::size_t>(rows));
      std::vector<std::int64_t> kept_columns(static_cast<std::size_t>(columns));
      for (std::int64_t r = 0; r < rows; ++r) kept_rows[static_cast<std::size_t>(r)] = 2 * r;
      for (std::int64_t j = 0; j < columns; ++j) kept_columns[static_cast<std::size_t>(j)] = step * j;
      work->tables.push_back(std::move(kept_rows));
      work->tables.push_back(std::move(kept_columns));
      GatherSegment segment;
      segment.source = work->arrays[work->arrays.size() - 2]->data();
      segment.destination = work->arrays.back()->data();
      segment.middle = middle;
      segment.in_columns = layer.in_channels;
      segment.out_columns = columns;
      work->segments.push_back(segment);
    }
  }
  for (std::size_t i = 0; i < work->segments.size(); ++i) {
    work->segments[i].rows = work->tables[2 * i];
    work->segments[i].columns = work->tables[2 * i + 1];
  }
  return {[=] {
            if (!loops) {
              work->host.primitives.gather(*work->host.stream, DType::f32, work->segments);
              return;
            }
            for (const GatherSegment& s : work->segments) {
              plain::gather(static_cast<float*>(s.destination), static_cast<const float*>(s.source),
                            s.rows.data(), static_cast<std::int64_t>(s.rows.size()), s.middle, s.in_columns,
                            s.columns.data(), s.out_columns);
            }
          },
          [=] {
            double sum = 0;
            for (std::size_t i = 1; i < work->arrays.size(); i += 2) {
              sum += digest(work->arrays[i]->data(), work->arrays[i]->count());
            }
            return sum;
          }};
}

Runner plain_loss_runner(std::int64_t samples, std::int64_t classes) {
  const Floats logits = floats(samples * classes, 1);
  const Floats gradient = floats(samples * classes, 0);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(samples));
  for (std::size_t n = 0; n < labels.size(); ++n) {
    labels[n] = static_cast<std::int32_t>(static_cast<std::int64_t>(n) % classes);
  }
  return {[=] {
            static_cast<void>(
                plain::cross_entropy(logits->data(), labels.data(), samples, classes, gradient->data()));
          },
          nullptr};  // the engine's gradient is scaled by the loss gradient that it is given
}

Runner plain_pool_runner(std::int64_t images, const PoolLayer& layer) {
  const Floats x = floats(images * layer.side * layer.side * layer.channels, 1);
  const Floats y = floats(images * layer.out_side() * layer.out_side() * layer.channels, 0);
  return {[=] {
            plain::max_pool(y->data(), x->data(), images, layer.side, layer.channels, layer.kernel,
                            layer.stride, layer.padding());
          },
          [=] { return digest(y->data(), y->count()); }};
}

void add_network_cases(std::vector<Case>& cases, const NetworkLayers& network, std::int64_t batch) {
  const std::string all = fmt::format("{}/all", network.name);
  const auto& net = network;
  cases.push_back({"filter_norm",
                   all,
                   fmt::format("{} filters", network.filters()),
                   filter_norm_work(network.filters(), network.filter_weights(), 4),
                   false,
                   {{kOurs, [&net] { return filter_norm_runner(net, false); }},
                    {kPlain, [&net] { return filter_norm_runner(net, true); }},
                    {"oneDNN", [&net] { return onednn::filter_norms(net.convolutions); }}}});
  cases.push_back({"sgd_momentum",
                   all,
                   fmt::format("{} parameters", network.parameters()),
                   sgd_momentum_work(network.parameters(), 4, 0),
                   false,
                   {{kOurs, [&net] { return sgd_runner(net, false); }},
                    {kPlain, [&net] { return sgd_runner(net, true); }}}});
  cases.push_back({"channel_gather",
                   all,
                   fmt::format("{} kept", half_of_weights(network)),
                   channel_gather_work(half_of_weights(network), 4),
                   false,
                   {{kOurs, [&net] { return gather_runner(net, false); }},
                    {kPlain, [&net] { return gather_runner(net, true); }}}});
  const std::int64_t classes = network.classes;
  cases.push_back({"softmax_cross_entropy",
                   fmt::format("{}/logits", network.name),
                   fmt::format("{}x{}", batch, classes),
                   softmax_cross_entropy_work(batch, classes, 4),
                   false,
                   {{kOurs,
                     [=] {
                       return op_runner({"loss", "softmax_cross_entropy", {0, 1}, {}},
                                        {Shape{batch, 1, 1, classes}, Shape{batch, 1, 1, 1}}, Pass::both);
                     }},
                    {kPlain, [=] { return plain_loss_runner(batch, classes); }}}});
  for (const PoolLayer& layer : network.pools) {
    const MapWork input{batch, layer.side * layer.side, layer.channels, 4};
    cases.push_back(
        {"max_pool",
         fmt::format("{}/{}", network.name, layer.name),
         fmt::format("{}x{}x{}x{}", batch, layer.side, layer.side, layer.channels),
         max_pool_work(input, layer.out_side() * layer.out_side(), layer.kernel * layer.kernel, false),
         false,
         {{kOurs,
           [=] {
             const Node node{
                 "pool",
                 "max_pool",
                 {0},
                 {{"kernel", layer.kernel}, {"stride", layer.stride}, {"padding", layer.padding()}}};
             return op_runner(node, {Shape{batch, layer.side, layer.side, layer.channels}}, Pass::forward);
           }},
          {kPlain, [=] { return plain_pool_runner(batch, layer); }},
          {"oneDNN", [=] { return onednn::max_pool(batch, layer); }}}});
  }
}

}  // namespace

std::vector<Case> host_cases(const BenchOptions& options) {
  std::vector<Case> cases;
  for (const NetworkLayers& network : networks()) {
    const std::int64_t batch = options.batch > 0 ? options.batch : network.batch;
    add_network_cases(cases, network, batch);
    add_augment_case(cases, network, batch);
    for (const ConvLayer& layer : distinct_maps(network)) {
      add_moments_case(cases, fmt::format("{}/{}", network.name, layer.name), batch, layer);
      add_map_cases(cases, fmt::format("{}/{}", network.name, layer.name),
                    {batch, layer.side, layer.channels});
    }
  }
  std::erase_if(cases, [&](const Case& one) { return !selected(options, one.kernel, one.shape); });
  return cases;
}

}  // namespace secateur::bench
