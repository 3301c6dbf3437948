// A safetensors file as `secateur import` takes it: header, tensors, the graph and the names in its metadata,
// and the weights for that graph.
#include <cmath>

#include "fuzz/fuzz_target.h"
#include "secateur/export/weights.h"
#include "secateur/io/safetensors.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static_cast<void>(fuzz::message_of([&] {
    const auto* const bytes = reinterpret_cast<const std::byte*>(data);
    const Safetensors file = Safetensors::parse({bytes, bytes + size}, "input");
    for (const auto& [name, entry] : file.entries()) {
      if (static_cast<std::int64_t>(entry.bytes.size()) != entry.shape.count() * size_of(entry.dtype)) {
        fuzz::broken("a tensor has the bytes of its shape");
      }
      static_cast<void>(fuzz::message_of([&, &key = name] { static_cast<void>(file.values(key)); }));
    }
    const Graph graph = stored_graph(file);
    read_weights(file, graph, stored_names(file),
                 [](const std::string& /*name*/, std::span<const double> values) {
                   for (const double value : values) {
                     if (!std::isfinite(value)) fuzz::broken("no NaN or infinity gets into a network");
                   }
                 });
  }));
  return 0;
}
