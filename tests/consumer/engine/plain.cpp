// Builds a network by name, classifies a batch, writes it as ONNX and safetensors, and reads the latter back.
#include <secateur/backend/open_device.h>
#include <secateur/core/host_values.h>
#include <secateur/data/registry.h>
#include <secateur/export/onnx.h>
#include <secateur/export/weights.h>
#include <secateur/models/models.h>
#include <secateur/models/weight_names.h>
#include <secateur/runtime/model.h>
#include <secateur/runtime/program.h>
#include <secateur/version_number.h>

#if defined(__CUDACC__) || defined(CUDA_VERSION) || defined(CUDART_VERSION)
#error "headers of CUDA came along"
#endif

#include <cstdio>
#include <filesystem>

static_assert(SECATEUR_VERSION ==
              SECATEUR_VERSION_MAJOR * 10000 + SECATEUR_VERSION_MINOR * 100 + SECATEUR_VERSION_PATCH);

int main() {
  using namespace secateur;
  const auto device = open_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  Model model(models::build("resnet8"), *device);
  model.initialize(1, *stream);
  Arena arena(*device);
  Program program(model, arena, *stream, {.batch = 2});
  const std::vector<double> images(2 * 32 * 32 * 3, 0.5);
  write_values(program.images(), images, *stream);
  program.forward({});
  const std::vector<double> logits = read_values(program.logits(), *stream);

  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "secateur-plain";
  std::filesystem::create_directories(folder);
  const ParameterReader read = [&](const std::string& name) {
    return model.read(model.find_parameter(name), *stream);
  };
  const auto names = models::weight_names(model.graph(), models::Naming::torchvision);
  write_weights(folder / "net.safetensors", model.graph(), read, names);
  write_onnx(folder / "net.onnx", model.graph(), read, {.fold_bn = true});

  const Safetensors file = Safetensors::read(folder / "net.safetensors");
  Model second(stored_graph(file), *device);
  read_weights(file, second.graph(), stored_names(file),
               [&](const std::string& name, std::span<const double> values) {
                 second.write(second.find_parameter(name), values, *stream);
               });
  Program again(second, arena, *stream, {.batch = 2});
  write_values(again.images(), images, *stream);
  again.forward({});
  const bool same = read_values(again.logits(), *stream) == logits;
  const bool refused = [] {
    try {
      (void)data::open_dataset("no such set");
      return false;
    } catch (const Error&) {
      return true;
    }
  }();
  std::filesystem::remove_all(folder);
  std::printf("%s\n", same && refused ? "the same logits" : "FAILED");
  return same && refused ? 0 : 1;
}
