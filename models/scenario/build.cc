// SPDX-License-Identifier: GPL-2.0-or-later
// Puts the layers of a scenario on top of each other: platform, costs, machine file, the user's, options, --set.
#include <filesystem>

#include "models/kernel/versions.h"
#include "models/scenario/document.h"
#include "models/scenario/schema.h"

namespace wakepath::scenario {
namespace {

constexpr const char* kDefaultPlatform = "server";
constexpr const char* kDefaultCosts = "server-3ghz";
// What a machine file replaces as a whole: half a machine from one place and half from another is nobody's machine.
constexpr const char* kMachineSections[] = {"platform", "machine", "block", "device", "costs", "costs_by_kernel"};
// What a fragment may hold. Programs are a machine's background tasks.
constexpr const char* kFragmentSections[] = {"name", "title",  "machine", "block", "device",          "program",
                                             "task", "kernel", "fs",      "costs", "costs_by_kernel", "notes"};

Entry option_entry(const char* option, Path path, const std::string& text) {
  return {std::move(path), Value::of(text), std::string(option) + " " + text, 0, {}};
}

Layer option_layer(const LoadOptions& o) {
  Layer l;
  if (o.kernel) {
    l.entries.push_back(option_entry("--kernel", {"kernel", "version"}, *o.kernel));
    // The version asked for on the command line is not the one a scenario's assumption was made for.
    Entry none = option_entry("--kernel", {"kernel", "assume"}, *o.kernel);
    none.value.text.clear();
    l.entries.push_back(std::move(none));
  }
  if (o.seed) l.entries.push_back(option_entry("--seed", {"run", "seed"}, *o.seed));
  if (o.samples) l.entries.push_back(option_entry("--samples", {"run", "samples"}, *o.samples));
  if (o.duration) l.entries.push_back(option_entry("--duration", {"run", "duration"}, *o.duration));
  if (o.warmup) l.entries.push_back(option_entry("--warmup", {"run", "warmup"}, *o.warmup));
  return l;
}

// A platform, a cost table or a machine file: a scenario's sections without a workload.
Result<Layer> read_fragment(const std::string& path, const Error& where) {
  const auto text = read_file(path, where);
  if (!text) return tl::make_unexpected(text.error());
  auto table = parse_toml(*text, path);
  if (!table) return tl::make_unexpected(table.error());
  // `uncertainty` holds draws of the costs (python/wakepath/intervals.py): a single run has no use for them.
  std::erase_if(table->fields, [](const auto& field) { return field.first == "uncertainty"; });
  auto layer = flatten(*table, path);
  if (!layer) return layer;
  std::erase_if(layer->entries, [](const Entry& e) { return e.path == Path{"name"} || e.path == Path{"title"}; });
  for (const Entry& e : layer->entries) {
    bool allowed = false;
    for (const char* s : kFragmentSections) allowed = allowed || e.path.front() == s;
    if (!allowed) {
      return tl::make_unexpected(
          e.error("'" + join_path(e.path) + "' does not belong into a platform, cost or machine file",
                  "such files hold machine, block, device, kernel, fs, costs, background programs and reniced tasks"));
    }
  }
  return layer;
}

class Builder {
 public:
  Builder(const std::vector<Layer>& input, const LoadOptions& options, const std::string& file)
      : input_(input), options_(options), file_(file) {}

  Result<Document> merge() {
    if (auto bad = read_user()) return tl::make_unexpected(*bad);
    if (auto bad = include_platform()) return tl::make_unexpected(*bad);
    if (auto bad = include_costs()) return tl::make_unexpected(*bad);
    Document doc;
    doc.put(platform_);
    doc.put(costs_);
    doc.put(machine_);
    for (const Entry& e : user_.entries()) doc.put(Layer{{e}, {}, {}});
    for (const Layer& l : input_) doc.put(Layer{{}, l.notes, l.ignored, {}});
    doc.put(notes_);
    return doc;
  }

 private:
  std::optional<Error> read_user() {
    for (const Layer& l : input_) user_.put(l);
    if (options_.machine_file) {
      auto machine = read_fragment(*options_.machine_file, {"--machine " + *options_.machine_file, 0, {}, {}});
      if (!machine) return machine.error();
      machine_ = std::move(*machine);
      for (const char* s : kMachineSections) user_.drop_section(s);
      const std::string stem = std::filesystem::path(*options_.machine_file).stem().string();
      machine_.entries.insert(machine_.entries.begin(), option_entry("--machine", {"machine", "platform"}, stem));
    }
    user_.put(option_layer(options_));
    for (const auto& set : options_.sets) {
      auto layer = read_set(set);
      if (!layer) return layer.error();
      for (const Entry& e : layer->entries) {
        if (e.path == Path{"extends"})
          return e.error("extends cannot be set from outside", "load the other file instead");
      }
      user_.put(*layer);
    }
    return std::nullopt;
  }

  [[nodiscard]] const Entry* find(const Path& path) const {
    if (const Entry* e = user_.find(path)) return e;
    for (const Layer* l : {&machine_, &platform_}) {
      for (const Entry& e : l->entries) {
        if (e.path == path) return &e;
      }
    }
    return nullptr;
  }

  static bool has(const Layer& l, const std::string& section) {
    for (const Entry& e : l.entries) {
      if (e.path.front() == section) return true;
    }
    return false;
  }

  std::optional<Error> include_platform() {
    const Entry* named = find({"platform"});
    Entry standard{{"platform"}, Value::of(std::string(kDefaultPlatform)), file_, 0, {}};
    if (named == nullptr) {
      if (options_.machine_file || user_.has_section({"machine"})) return std::nullopt;
      named = &standard;
      notes_.notes.push_back(std::string("no machine was given: platform ") + kDefaultPlatform +
                             " is used (--machine FILE or platform = \"NAME\" for another)");
    }
    if (!named->value.is(Value::Kind::string)) {
      return named->error("platform must be a string", "write platform = \"NAME\"; inline figures go under [machine]");
    }
    const auto path = find_fragment("platforms", *named, options_.search_dirs);
    if (!path) return path.error();
    auto layer = read_fragment(*path, named->error({}));
    if (!layer) return layer.error();
    platform_ = std::move(*layer);
    const std::string name = std::filesystem::path(*path).stem().string();
    platform_.entries.insert(platform_.entries.begin(), Entry{{"machine", "platform"}, Value::of(name), *path, 0, {}});
    return std::nullopt;
  }

  std::optional<Error> include_costs() {
    const Entry* named = find({"costs"});
    if (named == nullptr) named = costs_of_kernel();
    Entry standard{{"costs"}, Value::of(std::string(kDefaultCosts)), file_, 0, {}};
    if (named == nullptr) {
      if (user_.has_section({"costs"}) || has(machine_, "costs") || has(platform_, "costs")) return std::nullopt;
      named = &standard;
      notes_.notes.push_back(std::string("no costs were given: the estimates of ") + kDefaultCosts + " are used");
    }
    if (!named->value.is(Value::Kind::string)) {
      return named->error("costs must be the name of a table, or a section",
                          "write costs = \"NAME\", or entries under [costs]");
    }
    const auto path = find_fragment("costs", *named, options_.search_dirs);
    if (!path) return path.error();
    auto layer = read_fragment(*path, named->error({}));
    if (!layer) return layer.error();
    costs_ = std::move(*layer);
    return std::nullopt;
  }

  // A platform whose costs depend on the kernel names one table for each.
  const Entry* costs_of_kernel() {
    const Entry* version = find({"kernel", "version"});
    if (version == nullptr) return nullptr;
    const Entry* assume = find({"kernel", "assume"});
    const auto resolved = kernel::resolve(version->value.text, assume == nullptr ? std::string() : assume->value.text);
    return resolved ? find({"costs_by_kernel", resolved->version}) : nullptr;
  }

  const std::vector<Layer>& input_;
  const LoadOptions& options_;
  const std::string& file_;
  Document user_;
  Layer platform_, costs_, machine_, notes_;
};

}  // namespace

Result<Scenario> build(const std::vector<Layer>& input, const LoadOptions& options, const std::string& file,
                       const std::string& name) {
  const auto doc = Builder(input, options, file).merge();
  if (!doc) return tl::make_unexpected(doc.error());
  auto s = apply(*doc, file);
  if (!s) return s;
  if (s->name.empty()) s->name = name;
  return s;
}

}  // namespace wakepath::scenario
