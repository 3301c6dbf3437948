#include "secateur/bench/onednn_runners.h"

#include <fmt/format.h>

#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "secateur/bench/host_array.h"

namespace secateur::bench::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

struct Context {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

memory::desc describe(const memory::dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

// Primitives with their arguments, run one after the other.
struct Calls {
  Context context;
  std::vector<Floats> arrays;
  std::vector<dnnl::primitive> primitives;
  std::vector<std::unordered_map<int, memory>> arguments;

  memory bind(const memory::desc& desc, std::uint32_t seed) {
    arrays.push_back(floats(static_cast<std::int64_t>(desc.get_size() / sizeof(float)) + 1, seed));
    return {desc, context.engine, arrays.back()->data()};
  }
  void call(dnnl::primitive primitive, std::unordered_map<int, memory> with) {
    primitives.push_back(std::move(primitive));
    arguments.push_back(std::move(with));
  }
  void run() {
    for (std::size_t i = 0; i < primitives.size(); ++i) primitives[i].execute(context.stream, arguments[i]);
    context.stream.wait();
  }
};

double digest_of(const memory& result) {
  const auto bytes = static_cast<std::int64_t>(result.get_desc().get_size());
  return digest(static_cast<const float*>(result.get_data_handle()), bytes / 4);
}

Runner runner(const std::shared_ptr<Calls>& calls, const memory& result) {
  return {[calls] { calls->run(); }, [calls, result] { return digest_of(result); }};
}

}  // namespace

Runner add(std::int64_t count) {
  auto calls = std::make_shared<Calls>();
  const memory::desc desc = describe({count}, Tag::a);
  const memory a = calls->bind(desc, 1);
  const memory b = calls->bind(desc, 2);
  const memory out = calls->bind(desc, 3);
  const dnnl::binary::primitive_desc primitive(calls->context.engine, dnnl::algorithm::binary_add, desc, desc,
                                               desc);
  calls->call(dnnl::binary(primitive), {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, out}});
  return runner(calls, out);
}

Runner filter_norms(std::span<const ConvLayer> layers) {
  auto calls = std::make_shared<Calls>();
  std::vector<memory> results;
  std::uint32_t seed = 0;
  for (const ConvLayer& layer : layers) {
    for (std::int64_t i = 0; i < layer.count; ++i) {
      const memory::desc in = describe({layer.channels, layer.filter_size()}, Tag::ab);
      const memory::desc out = describe({layer.channels, 1}, Tag::ab);
      const memory weights = calls->bind(in, ++seed);
      results.push_back(calls->bind(out, 0));
      const dnnl::reduction::primitive_desc primitive(
          calls->context.engine, dnnl::algorithm::reduction_norm_lp_power_p_sum, in, out, 1.0F, 0.0F);
      calls->call(dnnl::reduction(primitive), {{DNNL_ARG_SRC, weights}, {DNNL_ARG_DST, results.back()}});
    }
  }
  return {[calls] { calls->run(); },
          [calls, results] {
            double sum = 0;
            for (const memory& result : results) sum += digest_of(result);
            return sum;
          }};
}

Runner batch_norm(std::int64_t images, std::int64_t side, std::int64_t channels, bool backward) {
  auto calls = std::make_shared<Calls>();
  const dnnl::engine& engine = calls->context.engine;
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift |
                     dnnl::normalization_flags::fuse_norm_relu;
  const memory::desc map = describe({images, channels, side, side}, Tag::nhwc);
  const memory::desc vector = describe({channels}, Tag::a);
  const dnnl::batch_normalization_forward::primitive_desc forward(engine, dnnl::prop_kind::forward_training,
                                                                  map, map, 1e-5F, flags);
  // The seeds of op_runner, so that the digests can be compared.
  const memory x = calls->bind(map, 1);
  const memory scale = calls->bind(vector, backward ? 3 : 2);
  const memory shift = calls->bind(vector, backward ? 5 : 4);
  const memory y = calls->bind(map, 0);
  const memory mean = calls->bind(vector, 0);
  const memory variance = calls->bind(vector, 0);
  const memory workspace(forward.workspace_desc(), engine);
  calls->call(dnnl::batch_normalization_forward(forward), {{DNNL_ARG_SRC, x},
                                                           {DNNL_ARG_DST, y},
                                                           {DNNL_ARG_MEAN, mean},
                                                           {DNNL_ARG_VARIANCE, variance},
                                                           {DNNL_ARG_SCALE, scale},
                                                           {DNNL_ARG_SHIFT, shift},
                                                           {DNNL_ARG_WORKSPACE, workspace}});
  if (!backward) return runner(calls, y);
  calls->run();
  calls->primitives.clear();
  calls->arguments.clear();
  const dnnl::batch_normalization_backward::primitive_desc gradient(engine, dnnl::prop_kind::backward, map,
                                                                    map, map, 1e-5F, flags, forward);
  const memory dy = calls->bind(map, 12);
  const memory dx = calls->bind(map, 0);
  calls->call(dnnl::batch_normalization_backward(gradient), {{DNNL_ARG_SRC, x},
                                                             {DNNL_ARG_MEAN, mean},
                                                             {DNNL_ARG_VARIANCE, variance},
                                                             {DNNL_ARG_DIFF_DST, dy},
                                                             {DNNL_ARG_SCALE, scale},
                                                             {DNNL_ARG_WORKSPACE, workspace},
                                                             {DNNL_ARG_DIFF_SRC, dx},
                                                             {DNNL_ARG_DIFF_SCALE, calls->bind(vector, 0)},
                                                             {DNNL_ARG_DIFF_SHIFT, calls->bind(vector, 0)}});
  return runner(calls, dx);
}

Runner max_pool(std::int64_t images, const PoolLayer& layer) {
  auto calls = std::make_shared<Calls>();
  const dnnl::engine& engine = calls->context.engine;
  const memory::desc in = describe({images, layer.channels, layer.side, layer.side}, Tag::nhwc);
  const memory::desc out = describe({images, layer.channels, layer.out_side(), layer.out_side()}, Tag::nhwc);
  // Right padding as oneDNN wants it: what the windows reach beyond the left one.
  const std::int64_t right =
      (layer.out_side() - 1) * layer.stride + layer.kernel - layer.side - layer.padding();
  const memory::dims kernel{layer.kernel, layer.kernel};
  const dnnl::pooling_forward::primitive_desc primitive(
      engine, dnnl::prop_kind::forward_training, dnnl::algorithm::pooling_max, in, out,
      {layer.stride, layer.stride}, kernel, {0, 0}, {layer.padding(), layer.padding()}, {right, right});
  const memory x = calls->bind(in, 1);
  const memory y = calls->bind(out, 0);
  const memory workspace(primitive.workspace_desc(), engine);
  calls->call(dnnl::pooling_forward(primitive),
              {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}, {DNNL_ARG_WORKSPACE, workspace}});
  return runner(calls, y);
}

Runner correlation(std::int64_t images, std::int64_t positions, std::int64_t channels) {
  auto calls = std::make_shared<Calls>();
  const memory::desc left =
      describe({images, channels, positions}, Tag::acb);  // z as it lies, read transposed
  const memory::desc right = describe({images, positions, channels}, Tag::abc);
  const memory::desc square = describe({images, channels, channels}, Tag::abc);
  const dnnl::matmul::primitive_desc primitive(calls->context.engine, left, right, square);
  const Floats maps = floats(images * positions * channels, 1);
  const memory z = calls->bind(right, 0);
  const memory transposed(left, calls->context.engine, z.get_data_handle());
  const memory rho = calls->bind(square, 0);
  calls->call(dnnl::matmul(primitive),
              {{DNNL_ARG_SRC, transposed}, {DNNL_ARG_WEIGHTS, z}, {DNNL_ARG_DST, rho}});
  auto sums = std::make_shared<std::vector<double>>(static_cast<std::size_t>(channels));
  const auto run = [=] {
    auto* out = static_cast<float*>(z.get_data_handle());
    const float* in = maps->data();
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < images; ++n) {
      const float* image = in + n * positions * channels;
      float* target = out + n * positions * channels;
      std::vector<float> mean(static_cast<std::size_t>(channels));
      std::vector<float> scale(static_cast<std::size_t>(channels));
      for (std::int64_t t = 0; t < positions; ++t) {
        for (std::int64_t c = 0; c < channels; ++c)
          mean[static_cast<std::size_t>(c)] += image[t * channels + c];
      }
      for (float& value : mean) value /= static_cast<float>(positions);
      for (std::int64_t t = 0; t < positions; ++t) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const float d = image[t * channels + c] - mean[static_cast<std::size_t>(c)];
          scale[static_cast<std::size_t>(c)] += d * d;
        }
      }
      for (float& value : scale) value = value > 0 ? 1 / std::sqrt(value) : 0.0F;
      for (std::int64_t t = 0; t < positions; ++t) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto k = static_cast<std::size_t>(c);
          target[t * channels + c] = (image[t * channels + c] - mean[k]) * scale[k];
        }
      }
    }
    calls->run();
    const auto* product = static_cast<const float*>(rho.get_data_handle());
#pragma omp parallel for schedule(static)
    for (std::int64_t f = 0; f < channels; ++f) {
      double sum = 0;
      for (std::int64_t n = 0; n < images; ++n) {
        const float* row = product + (n * channels + f) * channels;
        for (std::int64_t k = 0; k < channels; ++k) sum += k == f ? 0.0 : std::abs(row[k]);
      }
      (*sums)[static_cast<std::size_t>(f)] = sum;
    }
  };
  return {run, [sums] { return digest(sums->data(), static_cast<std::int64_t>(sums->size())); }};
}

std::string version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace secateur::bench::onednn
