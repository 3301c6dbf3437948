// Writes the seeds of every fuzz target: small valid files, and hostile ones made by hand. The result is
// committed; run this after a format has changed.
//
//   fuzz_make_corpus tests/fuzz/corpus engine/backend/gpus
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

#include "fuzz/seeds.h"
#include "secateur/core/error.h"
#include "secateur/export/graph_json.h"
#include "secateur/export/weights.h"
#include "secateur/io/checkpoint.h"
#include "secateur/io/files.h"

namespace {

using namespace secateur;
using namespace secateur::fuzz;

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// conv, batch norm, a residual join, pooling, classifier.
Graph small_graph() {
  Graph graph;
  const NodeId image = graph.add("image", "input", {}, {{"height", 8}, {"width", 8}, {"channels", 3}});
  const NodeId conv =
      graph.add("conv", "conv2d", {image}, {{"out_channels", 4}, {"kernel", 3}, {"padding", 1}});
  const NodeId norm = graph.add("bn", "batch_norm", {conv}, {});
  const NodeId relu = graph.add("relu", "relu", {norm}, {});
  const NodeId again =
      graph.add("conv2", "conv2d", {relu}, {{"out_channels", 4}, {"kernel", 3}, {"padding", 1}});
  const NodeId join = graph.add("join", "add", {again, relu}, {});
  const NodeId pool = graph.add("pool", "global_avg_pool", {join}, {});
  graph.add("fc", "linear", {pool}, {{"out_features", 3}});
  return graph;
}

std::string node(std::string_view name, std::string_view op, std::string_view inputs,
                 std::string_view attributes) {
  return fmt::format(R"({{"name":"{}","op":"{}","inputs":[{}],"attributes":{{{}}}}})", name, op, inputs,
                     attributes);
}

std::string graph_of(std::string_view nodes, std::string_view output = "0") {
  return fmt::format(R"({{"format":"secateur-graph","version":1,"output":{},"nodes":[{}]}})", output, nodes);
}

const std::string kInput = node("i", "input", "", R"("height":8,"width":8,"channels":3)");

void make_graphs(const Corpus& corpus) {
  corpus.add("valid", graph_to_json(small_graph()));
  corpus.add("cycle", graph_of(node("a", "relu", "1", "") + "," + node("b", "relu", "0", "")));
  corpus.add("reads-itself", graph_of(kInput + "," + node("a", "relu", "1", "")));
  corpus.add("negative-extent", graph_of(node("i", "input", "", R"("height":-8,"width":8,"channels":3)")));
  corpus.add(
      "overflowing-extents",
      graph_of(node("i", "input", "", R"("height":4294967296,"width":4294967296,"channels":4294967296)")));
  corpus.add("billion-channels",
             graph_of(node("i", "input", "", R"("height":1,"width":1,"channels":1000000000)")));
  corpus.add(
      "billion-filters",
      graph_of(kInput + "," + node("c", "conv2d", "0", R"("out_channels":1000000000,"kernel":1)"), "1"));
  corpus.add("huge-kernel",
             graph_of(kInput + "," +
                          node("c", "conv2d", "0", R"("out_channels":4,"kernel":1048575,"padding":1048575)"),
                      "1"));
  corpus.add("negative-kernel",
             graph_of(kInput + "," + node("c", "conv2d", "0", R"("out_channels":4,"kernel":-3)"), "1"));
  corpus.add(
      "zero-stride",
      graph_of(kInput + "," + node("c", "conv2d", "0", R"("out_channels":4,"kernel":3,"stride":0)"), "1"));
  corpus.add(
      "zero-groups",
      graph_of(kInput + "," + node("c", "conv2d", "0", R"("out_channels":4,"kernel":3,"groups":0)"), "1"));
  corpus.add("zero-features", graph_of(node("i", "input", "", R"("height":1,"width":1,"channels":3)") + "," +
                                           node("f", "linear", "0", R"("out_features":-1)"),
                                       "1"));
  corpus.add(
      "table-out-of-range",
      graph_of(kInput + "," + node("g", "gather_channels", "0", R"("table":[0,3,-1,9223372036854775807])"),
               "1"));
  corpus.add("pad-overflow", graph_of(kInput + "," +
                                          node("p", "pad_channels", "0",
                                               R"("before":9223372036854775807,"after":9223372036854775807)"),
                                      "1"));
  corpus.add("same-name-twice", graph_of(kInput + "," + kInput));
  corpus.add("output-elsewhere", graph_of(kInput, "9223372036854775807"));
  corpus.add("version-2", R"({"format":"secateur-graph","version":2,"output":0,"nodes":[]})");
  corpus.add("deep", repeated("[", 3000));
  corpus.add("deep-attribute",
             graph_of(node("i", "input", "", R"("height":)" + repeated("[", 900) + repeated("]", 900))));
  corpus.add("wide-add", graph_of(kInput + "," + node("a", "add", repeated("0,", 1500) + "0", ""), "1"));
  corpus.add("doubling-concat", [] {
    std::string nodes = kInput;
    for (int i = 0; i < 60; ++i)
      nodes += "," + node(fmt::format("c{}", i), "concat", fmt::format("{0},{0}", i), "");
    return graph_of(nodes, "60");
  }());
}

std::string safetensors_of(const std::string& header, const std::string& data) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return text + header + data;
}

std::string f32(float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return bytes;
}

void make_safetensors(const Corpus& corpus) {
  const Graph graph = small_graph();
  ParameterNames names;
  for (const ForeignParameter& p : foreign_parameters(graph)) names[p.name] = p.name;
  const auto write = [&](const std::string& name, double value) {
    write_weights(
        corpus / name, graph,
        [&](const std::string& parameter) {
          for (const ForeignParameter& p : foreign_parameters(graph)) {
            if (p.name == parameter)
              return std::vector<double>(static_cast<std::size_t>(p.shape.count()), value);
          }
          return std::vector<double>();
        },
        names);
  };
  write("valid", 0.5);
  write("nan-weights", std::numeric_limits<double>::quiet_NaN());
  write("infinite-weights", std::numeric_limits<double>::infinity());
  corpus.add("one-tensor",
             safetensors_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", f32(1)));
  corpus.add("halves", safetensors_of(R"({"w":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}})", f32(1)));
  const std::array<std::pair<const char*, const char*>, 9> kHeaders{{
      {"overflowing-shape", R"({"w":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,4]}})"},
      {"shape-times-8-overflows",
       R"({"w":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,4]}})"},
      {"negative-extent", R"({"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})"},
      {"fraction-extent", R"({"w":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})"},
      {"backwards", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})"},
      {"past-the-end", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})"},
      {"overlap",
       R"({"v":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"},
      {"unknown-type", R"({"w":{"dtype":"C64","shape":[1],"data_offsets":[0,4]}})"},
      {"graph-without-weights",
       R"({"__metadata__":{"secateur.graph":"[[[[[[","secateur.names":"{}"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"},
  }};
  for (const auto& [name, header] : kHeaders) corpus.add(name, safetensors_of(header, f32(1)));
  corpus.add("header-of-2^63", std::string("\0\0\0\0\0\0\0\x80{}", 10));
  corpus.add("header-of-all-ones", std::string(8, '\xff') + "{}");
  corpus.add("deep", safetensors_of(R"({"w":)" + repeated("[", 2000), ""));
  // A small file whose graph asks for 2^33 weights.
  const std::string hungry = graph_of(node("i", "input", "", R"("height":1,"width":1,"channels":65536)") +
                                          "," + node("f", "linear", "0", R"("out_features":131072)"),
                                      "1");
  std::string quoted;
  for (const char c : hungry) quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
  corpus.add(
      "hungry-graph",
      safetensors_of(R"({"__metadata__":{"secateur.graph":")" + quoted +
                         R"(","secateur.names":"{}"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                     f32(1)));
}

void make_checkpoints(const Corpus& corpus) {
  StateTree tree;
  tree.set("epoch", 12);
  tree.set("name", "resnet20");
  tree.set("model/weight", StoredTensor{DType::f32, {3}, std::vector<std::byte>(12, std::byte{0x3f})});
  write_checkpoint(corpus / "valid", tree);
  const std::vector<std::byte> bytes = read_file(corpus / "valid");
  const std::string valid(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto changed = [&](std::size_t at, std::string_view with) {
    std::string file = valid;
    return file.replace(at, with.size(), with);
  };
  corpus.add("cut-in-the-envelope", valid.substr(0, 511));
  corpus.add("envelope-alone", valid.substr(0, 512));
  corpus.add("newer", changed(8, std::string_view("\2\0\0\0", 4)));
  corpus.add("version-2^32-1", changed(8, "\xff\xff\xff\xff"));
  corpus.add("length-2^64-1", changed(16, "\xff\xff\xff\xff\xff\xff\xff\xff"));
  corpus.add("length-0", changed(16, std::string_view("\0\0\0\0\0\0\0\0", 8)));
  corpus.add("flipped", changed(valid.size() - 1, "\x01"));
  corpus.add("plain-hdf5", valid.substr(512));
}

void make_recipes(const Corpus& corpus) {
  corpus.add("valid", R"(# a run
[model]
name = "resnet20"
[train]
epochs = 3
learning-rate = 5e-2
nesterov = true
[prune]
rate-table = ["conv1=0.1", "layer1.*=0.5"]
budget = 0.5
)");
  corpus.add("negative", "[train]\nepochs = -1\n");
  corpus.add("too-large", "[train]\nepochs = 9223372036854775807\nbatch = 9223372036854775807\n");
  corpus.add("past-64-bits", "[train]\nepochs = 9223372036854775808\n");
  corpus.add("not-finite", "[train]\nlearning-rate = nan\nmomentum = -inf\nweight-decay = inf\n");
  corpus.add("wrong-kind", "[train]\nepochs = \"many\"\n[prune]\nkeep = 3\n");
  corpus.add("no-utf8", "[model]\nname = \"\xff\xfe\"\n");
  corpus.add("dates", "when = 2020-01-01T00:00:00Z\n");
  corpus.add("deep-list", "a = " + repeated("[", 2000));
  corpus.add("deep-inline-tables", "a = " + repeated("{a=", 2000));
  corpus.add("long-dotted-key", repeated("a.", 20000) + "a = 1\n");
  corpus.add("long-section", "[" + repeated("a.", 20000) + "a]\nb = 1\n");
  corpus.add("quoted-dotted-key", repeated("\"=\".", 12000) + "a = 1\n");
  corpus.add("value-and-section", "a = 1\n[a]\nb = 2\n");
  corpus.add("list-of-tables", "[[a]]\nb = 1\n[[a]]\nb = 2\n");
  corpus.add("empty-list", "a = []\nb = [[], []]\n");
  corpus.add("strings", "a = \"\\u00e9\\n\\\"\"\nb = 'c:\\x'\nc = \"\"\"x\ny\"\"\"\nd = '''z'''\n");
}

void make_run_logs(const Corpus& corpus) {
  const std::string start =
      R"({"event":"start","time":"2026-03-01T12:00:00.123Z","elapsed":0.1,"model":"resnet8","recipe":"[run]\n"})";
  const std::string epoch =
      R"({"event":"epoch","elapsed":1.5,"epoch":0,"phase":"training","loss":1.25,"top1":0.5,"learning_rate":0.05,"images_per_second":100.5,"validation_top1":0.25})";
  corpus.add("training",
             start + "\n" + epoch + "\n" + R"({"event":"result","top1":0.5,"parameters":100})" + "\n");
  corpus.add("pruning", start + "\n" + epoch + "\n" +
                            R"({"event":"evaluation","accuracy":0.5}
{"event":"removal","round":1}
{"event":"round_end","round":1,"outcome":"kept","alpha":0.5,"beta":0.5,"accuracy_before":0.5,"accuracy":0.4,"parameters":10,"macs":20}
{"event":"widths","layers":["a"],"before":[16],"after":[8]}
{"event":"measured","which":"before","top1":0.5,"parameters":10,"macs":20,"file_bytes":100,"latency_ms":1.5,"images_per_second":10}
)");
  corpus.add("half-a-line", start + "\n" + epoch.substr(0, 40));
  corpus.add("half-a-line-in-between", epoch.substr(0, 40) + "\n" + epoch + "\n");
  corpus.add("huge-numbers", R"({"event":"epoch","epoch":1e300,"loss":1e999,"top1":-1e300}
{"event":"epoch","epoch":18446744073709551615}
{"event":"epoch","epoch":-9223372036854775808}
{"event":"removal","round":9223372036854775807}
)");
  corpus.add("last-epoch", R"({"event":"epoch","epoch":9223372036854775807}
{"event":"removal","round":1}
)");
  corpus.add("wrong-kinds", R"({"event":"start","recipe":{"a":[1]},"model":[[[]]]}
{"event":"widths","layers":3,"before":"x","after":null}
)");
  corpus.add("recipe-is-a-number", R"({"event":"start","recipe":5})"
                                   "\n");
  corpus.add("event-is-a-list", R"({"event":["start"]})"
                                "\n");
  corpus.add("widths-missing", R"({"event":"widths"})"
                               "\n");
  corpus.add("deep-fact",
             R"({"event":"start","model":)" + repeated("[", 30000) + repeated("]", 30000) + "}\n");
  corpus.add("no-utf8", "{\"event\":\"start\",\"model\":\"\xff\"}\n{}\n");
}

void make_gpu_descriptions(const Corpus& corpus, const std::filesystem::path& gpus) {
  const std::vector<std::byte> bytes = read_file(gpus / "h100.json");
  const std::string valid(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto changed = [&](std::string_view what, std::string_view with) {
    std::string file = valid;
    const std::size_t at = file.find(what);
    require(at != std::string::npos, "{} is not in the description", what);
    return file.replace(at, what.size(), with);
  };
  corpus.add("valid", valid);
  corpus.add("many-flops", changed("\"fp32\": 256", "\"fp32\": 9223372036854775807"));
  corpus.add("past-64-bits", changed("\"fp32\": 256", "\"fp32\": 18446744073709551615"));
  corpus.add("negative", changed("\"memory_bus_bits\": 5120", "\"memory_bus_bits\": -5120"));
  corpus.add("fraction", changed("\"warpSize\": 32", "\"warpSize\": 3.2e1"));
  corpus.add("deep-value",
             changed("\"warpSize\": 32", "\"warpSize\": " + repeated("[", 30000) + repeated("]", 30000)));
  corpus.add("deep-extra", changed("\"warpSize\": 32", "\"warpSize\": 32, \"x\": " + repeated("[", 20000) +
                                                           repeated("]", 20000)));
  corpus.add("cut", valid.substr(0, valid.size() / 2));
  corpus.add("no-utf8", changed("H100", "\xff\xfe"));
  corpus.add("list", "[1, 2]");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    require(argc == 3, "usage: {} CORPUS GPUS", argv[0]);
    const std::filesystem::path root = argv[1];
    make_graphs({root, "graph"});
    make_safetensors({root, "safetensors"});
    make_checkpoints({root, "checkpoint"});
    make_cifar({root, "cifar"});
    make_class_maps({root, "class_map"});
    make_images({root, "image"});
    make_meta_mats({root, "meta_mat"});
    make_packed({root, "packed"});
    make_recipes({root, "recipe"});
    make_run_logs({root, "run_log"});
    make_gpu_descriptions({root, "gpu_description"}, argv[2]);
    make_layer_times({root, "layer_times"});
    make_conv_choices({root, "conv_choices"});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
