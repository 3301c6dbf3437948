// secateur import and secateur export: networks from and for other frameworks.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/export/onnx.h"
#include "secateur/export/weights.h"
#include "secateur/graph/cost.h"
#include "secateur/image_contract.h"
#include "secateur/interchange.h"
#include "secateur/io/checkpoint.h"
#include "secateur/models/models.h"
#include "secateur/models/weight_names.h"
#include "secateur/session.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

constexpr const char* kModelKey = "secateur.model";
constexpr const char* kImagesKey = "secateur.images";

struct ImportedNetwork {
  Graph graph;
  ParameterNames names;
};

// The classes are those of the file: the last layer's first extent.
ImportedNetwork network_of(const Safetensors& file, const ImportArguments& arguments) {
  if (arguments.model.empty()) {
    require(file.metadata().contains(kGraphKey),
            "'{}' carries no graph: say with --model which network's weights these are", file.origin());
    Graph graph = stored_graph(file);
    ParameterNames names = arguments.from.empty()
                               ? stored_names(file)
                               : models::weight_names(graph, models::naming_from_name(arguments.from));
    return {std::move(graph), std::move(names)};
  }
  require(!arguments.from.empty(),
          "--model needs --from: whose names the file has (torchvision, timm, plain)");
  const models::Naming naming = models::naming_from_name(arguments.from);
  models::BuildOptions build;
  if (arguments.image > 0) build.image = MapShape{arguments.image, arguments.image, 3};
  const Graph published = models::build(arguments.model, build);
  const std::string classifier = models::weight_names(published, naming).at("fc.weight");
  const Shape& shape = file.at(classifier).shape;
  require(shape.rank() == 2, "'{}': tensor '{}' has shape {}, the classifier's should have two extents",
          file.origin(), classifier, shape.to_string());
  build.num_classes = shape[0];
  Graph graph = models::build(arguments.model, build);
  ParameterNames names = models::weight_names(graph, naming);
  return {std::move(graph), std::move(names)};
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  require(file.is_open(), "cannot read '{}'", path.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

ImageContract contract_for(const Safetensors& file, const ImportArguments& arguments, std::int64_t classes) {
  ImageContract contract;
  const auto stored = file.metadata().find(kImagesKey);
  if (!arguments.normalization.empty()) {
    contract.statistics = statistics_called(arguments.normalization);
  } else if (stored != file.metadata().end()) {
    try {
      const auto images = nlohmann::json::parse(stored->second);
      contract = {{images.at("mean"), images.at("deviation")}, images.at("classes")};
    } catch (const nlohmann::json::exception& error) {
      fail("'{}': '{}' in the metadata is not valid: {}", file.origin(), kImagesKey, error.what());
    }
  } else if (arguments.from == "torchvision" || arguments.from == "timm") {
    contract.statistics = statistics_called("imagenet");
  }
  if (!arguments.classes.empty()) contract.class_names = lines_of(arguments.classes);
  const auto names = static_cast<std::int64_t>(contract.class_names.size());
  require(names == 0 || names == classes, "there are {} class names for a network of {} classes", names,
          classes);
  return contract;
}

ParameterReader reader_of(const Model& model, Session& session) {
  return [&](const std::string& name) { return model.read(model.find_parameter(name), session.stream()); };
}

}  // namespace

int run_import(const RunOptions& options, const ImportArguments& arguments) {
  const Safetensors file = Safetensors::read(arguments.file);
  const ImportedNetwork network = network_of(file, arguments);
  Session session(options.run);
  Model model(network.graph, session.device());
  model.initialize(0, session.stream());
  read_weights(file, network.graph, network.names,
               [&](const std::string& name, std::span<const double> values) {
                 model.write(model.find_parameter(name), values, session.stream());
               });
  const MapShape output = network.graph.shape(network.graph.output());
  StateTree tree;
  StateWriter writer(tree);
  model.save(writer.scope("model"), session.stream());
  const auto stored_name = file.metadata().find(kModelKey);
  RunOptions provenance = options;
  provenance.model.name = !arguments.model.empty()               ? arguments.model
                          : stored_name != file.metadata().end() ? stored_name->second
                                                                 : "";
  provenance.data.name = "";
  save_provenance(writer, "import", "", provenance);
  writer.set("imported_from", arguments.file.string());
  contract_for(file, arguments, output.channels).save(writer.scope("images"));
  write_checkpoint(arguments.out, tree);
  const GraphCost cost = cost_of(network.graph);
  fmt::print("{}: {} tensors, {} parameters, {} multiply-adds -> {}\n", arguments.file.string(),
             file.entries().size(), grouped(cost.parameters), scaled(static_cast<double>(cost.macs)),
             arguments.out.string());
  return 0;
}

int run_export(const RunOptions& options, const ExportArguments& arguments) {
  require(arguments.format == "safetensors" || arguments.format == "onnx",
          "--format is safetensors or onnx, not '{}'", arguments.format);
  require(!arguments.out.empty(), "--out names the file to write");
  Session session(options.run);
  const LoadedModel loaded = load_model(arguments.model, session);
  const Graph& graph = loaded.model.graph();
  Metadata metadata{{kModelKey, loaded.text("model_name")},
                    {"secateur.version", std::string(build_info().version)}};
  try {
    const ImageContract contract = contract_of(loaded);
    metadata[kImagesKey] = nlohmann::json{
        {"mean", contract.statistics.mean},
        {"deviation", contract.statistics.deviation},
        {"classes",
         contract.class_names}}.dump();
  } catch (const Error& error) {
    fmt::print(stderr, "warning: the file will not say how images are normalised: {}\n", error.what());
  }
  const ParameterReader read = reader_of(loaded.model, session);
  if (arguments.format == "safetensors") {
    write_weights(arguments.out, graph, read,
                  models::weight_names(graph, models::naming_from_name(arguments.names)), metadata);
  } else {
    write_onnx(arguments.out, graph, read,
               {.opset = arguments.opset,
                .fold_bn = arguments.fold_bn,
                .dynamic_batch = arguments.dynamic_batch,
                .batch = arguments.batch},
               metadata);
  }
  fmt::print("{} -> {} ({})\n", arguments.model.string(), arguments.out.string(),
             bytes_text(static_cast<std::int64_t>(std::filesystem::file_size(arguments.out))));
  return 0;
}

}  // namespace secateur::app
