// A network of this program's own with an op of its own, trained by a loop of its own on memory of its own,
// pruned, and its weights read back. Twice at once, on two threads; afterwards every byte has been given
// back.
#include <secateur/backend/kernel.h>
#include <secateur/core/host_values.h>
#include <secateur/core/rng.h>
#include <secateur/prune/surgeon.h>
#include <secateur/runtime/model.h>
#include <secateur/runtime/program.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <thread>

using namespace secateur;

namespace {

// The op: x where x > 0, else slope * x.
class LeakyRelu final : public Op {
 public:
  std::string_view name() const override { return "leaky_relu"; }
  OpStage stage() const override { return OpStage::activation; }
  MapShape output_shape(const Node&, std::span<const MapShape> inputs) const override { return inputs[0]; }
  void channels(const Node&, ChannelRule& rule) const override { rule.pass_on(0); }
};

class LeakyReluKernel final : public Kernel {
 public:
  explicit LeakyReluKernel(const KernelSetup& setup)
      : slope_(static_cast<float>(setup.node.attributes.real_or("slope", 0.01))) {}
  void forward(const ForwardArguments& a) override {
    const auto* x = a.inputs[0].as<float>();
    auto* y = a.output.as<float>();
    for (std::int64_t i = 0; i < a.output.count(); ++i) y[i] = x[i] > 0 ? x[i] : slope_ * x[i];
  }
  void backward(const BackwardArguments& a) override {
    const auto* x = a.inputs[0].as<float>();
    const auto* dy = a.output_gradient.as<float>();
    auto* dx = a.input_gradients[0].as<float>();
    for (std::int64_t i = 0; i < a.output_gradient.count(); ++i) dx[i] = x[i] > 0 ? dy[i] : slope_ * dy[i];
  }

 private:
  float slope_;
};

// Memory of this program's own, which counts.
class CountingAllocator final : public Allocator {
 public:
  void* allocate(std::int64_t bytes) override {
    void* memory =
        std::aligned_alloc(Device::kAlignment, static_cast<std::size_t>((bytes + 255) / 256 * 256));
    if (memory == nullptr) throw Error("no memory");
    held_ += bytes;
    most_ = std::max(most_, held_);
    return memory;
  }
  void release(void* memory, std::int64_t bytes) noexcept override {
    held_ -= bytes;
    std::free(memory);
  }
  std::int64_t held() const { return held_; }
  std::int64_t most() const { return most_; }

 private:
  std::int64_t held_ = 0;
  std::int64_t most_ = 0;
};

Graph network() {
  using I = std::int64_t;
  Graph graph;
  NodeId x = graph.add("image", "input", {}, {{"height", I{8}}, {"width", I{8}}, {"channels", I{1}}});
  for (const I layer : {1, 2}) {
    const std::string n = std::to_string(layer);
    x = graph.add("conv" + n, "conv2d", {x}, {{"out_channels", I{8}}, {"kernel", I{3}}, {"padding", I{1}}});
    x = graph.add("bn" + n, "batch_norm", {x});
    x = graph.add("act" + n, "leaky_relu", {x}, {{"slope", 0.1}});
  }
  x = graph.add("pool", "global_avg_pool", {x});
  graph.add("fc", "linear", {x}, {{"out_features", I{2}}});
  return graph;
}

// Stripes, upright or lying, under noise.
void make_batch(Program& program, Stream& stream, std::uint64_t seed, std::uint32_t step) {
  std::vector<double> images;
  std::vector<double> labels;
  RandomSequence random(seed, RngPurpose::test, step);
  for (std::int64_t n = 0; n < program.batch(); ++n) {
    const std::int64_t upright = random.below(2);
    labels.push_back(static_cast<double>(upright));
    for (std::int64_t y = 0; y < 8; ++y) {
      for (std::int64_t x = 0; x < 8; ++x) {
        images.push_back(((upright == 1 ? x : y) % 2 == 0 ? 1.0 : -1.0) + 0.5 * random.normal());
      }
    }
  }
  write_values(program.images(), images, stream);
  if (program.options().mode == ProgramMode::train) write_values(program.labels(), labels, stream);
}

double train(Model& model, Arena& arena, Stream& stream, std::uint64_t seed, std::uint32_t first,
             std::uint32_t steps) {
  Program program(model, arena, stream, {.batch = 32, .mode = ProgramMode::train});
  double loss = 0;
  for (std::uint32_t step = first; step < first + steps; ++step) {
    make_batch(program, stream, seed, step);
    const StepState state{.seed = seed, .step = step};
    program.forward(state);
    program.backward(state);
    const std::vector<double> losses = read_values(program.losses(), stream);
    loss = std::accumulate(losses.begin(), losses.end(), 0.0) / 32;
    // Plain gradient descent, written straight onto the slab: on a host device it is memory like any other.
    auto* values = static_cast<float*>(model.values());
    const auto* gradients = static_cast<const float*>(model.gradients());
    for (std::int64_t i = 0; i < model.layout().trained_elements; ++i) values[i] -= 0.1F * gradients[i];
  }
  return loss;
}

std::vector<double> answers(Model& model, Arena& arena, Stream& stream) {
  Program program(model, arena, stream, {.batch = 32});
  make_batch(program, stream, 99, 0);
  program.forward({});
  return read_values(program.logits(), stream);
}

// Keeps the half of conv1's and conv2's filters with the larger L1 norms.
PruningPlan weakest_half(const Model& model, Stream& stream) {
  const ChannelSpaces spaces(model.graph());
  KeptMembers kept = spaces.keep_all();
  for (const char* name : {"conv1", "conv2"}) {
    const std::vector<double> weights =
        model.read(model.find_parameter(std::string(name) + ".weight"), stream);
    const auto s = static_cast<std::size_t>(spaces.space_of_producer(model.graph().find(name)));
    const std::size_t row = weights.size() / 8;
    std::vector<double> norms(8);
    for (std::size_t i = 0; i < weights.size(); ++i) norms[i / row] += std::abs(weights[i]);
    std::ranges::sort(kept[s], std::greater{},
                      [&](std::int64_t k) { return norms[static_cast<std::size_t>(k)]; });
    kept[s].resize(4);
    std::ranges::sort(kept[s]);
  }
  return PruningPlan::from_members(spaces, kept);
}

#define CHECK(condition)                                          \
  do {                                                            \
    if (!(condition)) {                                           \
      std::printf("FAILED, line %d: %s\n", __LINE__, #condition); \
      return false;                                               \
    }                                                             \
  } while (false)

bool whole_life(std::uint64_t seed, std::vector<double>& last) {
  const auto allocator = std::make_shared<CountingAllocator>();
  {
    const auto device = make_host_device(DeviceKind::cpu, allocator);
    const auto stream = device->make_stream();
    Arena arena(*device);
    Model model(network(), *device);
    model.initialize(seed, *stream);
    const double before = train(model, arena, *stream, seed, 0, 1);
    const double after = train(model, arena, *stream, seed, 1, 60);
    CHECK(after < before / 2);

    const PruningPlan plan = weakest_half(model, *stream);
    Model masked = model.clone(*device, *stream, *stream);
    apply_mask(masked, plan, *stream);
    const std::int64_t whole = model.bytes();
    apply_plan(model, plan, *stream);
    CHECK(model.bytes() < whole);
    CHECK(model.graph().shape(model.graph().find("conv1")).channels == 4);
    const std::vector<double> small = answers(model, arena, *stream);
    const std::vector<double> large = answers(masked, arena, *stream);
    for (std::size_t i = 0; i < small.size(); ++i) CHECK(std::abs(small[i] - large[i]) < 1e-4);

    CHECK(train(model, arena, *stream, seed, 61, 60) < before / 2);
    last = model.read(model.find_parameter("conv2.weight"), *stream);
    CHECK(last.size() == 4 * 3 * 3 * 4);
    CHECK(device->allocated_bytes() == allocator->held());
  }
  CHECK(allocator->most() > 0);
  CHECK(allocator->held() == 0);
  return true;
}

}  // namespace

int main() {
  register_op(std::make_unique<LeakyRelu>());
  register_kernel("leaky_relu", DeviceKind::cpu,
                  {[](const KernelSetup& setup) { return std::make_unique<LeakyReluKernel>(setup); },
                   [](const KernelSetup&) -> std::optional<std::string> { return std::nullopt; }});
  // Two engines at once, and each of them alone: the weights must not differ.
  std::vector<double> together[2];
  std::vector<double> alone[2];
  std::atomic<bool> good{true};
  const auto life = [&](std::uint64_t seed, std::vector<double>& last) {
    try {
      if (!whole_life(seed, last)) good = false;
    } catch (const std::exception& error) {
      std::printf("FAILED: %s\n", error.what());
      good = false;
    }
  };
  std::thread first(life, 1, std::ref(together[0]));
  std::thread second(life, 2, std::ref(together[1]));
  first.join();
  second.join();
  life(1, alone[0]);
  life(2, alone[1]);
  for (int i = 0; i < 2; ++i) {
    if (together[i] != alone[i] || alone[i].empty()) {
      std::printf("FAILED: engine %d computed something else beside another\n", i);
      good = false;
    }
  }
  std::printf("%s\n", good ? "trained, pruned and read back, twice at once; no byte left" : "FAILED");
  return good ? 0 : 1;
}
