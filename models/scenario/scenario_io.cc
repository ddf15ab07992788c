// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/scenario_io.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "models/kernel/switches.h"
#include "models/kernel/versions.h"
#include "models/scenario/document.h"
#include "models/scenario/fio_options.h"
#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"

namespace wakepath::scenario {
namespace fs = std::filesystem;
namespace {

bool is_fio_file(const fs::path& p) { return p.extension() == ".fio" || p.extension() == ".job"; }

// "starved_completions" for its scenario.toml, "starved_completions/root" for a variant beside it, else the file's
// stem.
std::string name_of(const fs::path& file) {
  std::error_code ec;
  const fs::path folder = fs::absolute(file, ec).lexically_normal().parent_path();
  if (file.filename() == "scenario.toml") return folder.filename().string();
  if (fs::exists(folder / "scenario.toml", ec)) return folder.filename().string() + "/" + file.stem().string();
  return file.stem().string();
}

tl::expected<fs::path, Error> locate(const std::string& path_or_name, const std::vector<std::string>& search_dirs) {
  std::error_code ec;
  const fs::path given(path_or_name);
  if (fs::is_directory(given, ec)) {
    if (fs::exists(given / "scenario.toml", ec)) return given / "scenario.toml";
    return tl::make_unexpected(Error{path_or_name, 0, "the folder has no scenario.toml", "name one of its files"});
  }
  if (fs::exists(given, ec)) return given;
  for (const auto& dir : search_dirs) {
    for (const fs::path& candidate : {fs::path(dir) / path_or_name / "scenario.toml",
                                      fs::path(dir) / (path_or_name + ".toml"), fs::path(dir) / path_or_name}) {
      if (fs::is_regular_file(candidate, ec)) return candidate;
    }
  }
  const std::string near = did_you_mean(path_or_name, list_scenarios(search_dirs));
  return tl::make_unexpected(
      Error{path_or_name, 0, "no such file or scenario", near.empty() ? "wakepath scenarios lists the names" : near});
}

// A result repeats its run: the resolved scenario is in it.
Result<Scenario> load_result(const std::string& text, const std::string& file, const LoadOptions& options) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded())
    return tl::make_unexpected(Error{file, 0, "not a JSON file", "give a result of wakepath run --json"});
  if (!json.is_object() || !json.contains("made_by") || !json["made_by"].is_object() ||
      !json["made_by"].contains("scenario") || !json["made_by"]["scenario"].is_string()) {
    return tl::make_unexpected(
        Error{file, 0, "the result holds no made_by.scenario", "give a result of wakepath run --json"});
  }
  return load_text(json["made_by"]["scenario"].get<std::string>(), file, options);
}

KeyInfo info_of(const Key& k) {
  KeyInfo info{k.pattern, type_text(k), std::string(type_unit(k.type)), {}, k.doc};
  if (k.field == nullptr) return info;
  Scenario standard;
  Cgroup group;
  FioJob job;
  Program program;
  RingProgram ring;
  TaskRule rule;
  Event event;
  job.name.clear();
  void* part = part_of(standard, k.part);
  if (k.part == Part::cgroup) part = &group;
  if (k.part == Part::workload) part = &job;
  if (k.part == Part::program) part = &program;
  if (k.part == Part::ring) part = &ring;
  if (k.part == Part::task) part = &rule;
  if (k.part == Part::event) part = &event;
  info.default_value = format(k, k.field(part)).value_or("");
  return info;
}

std::string explain_switch(const std::string& name) {
  std::string out = "by version:\n";
  for (const auto& v : kernel::versions()) {
    const kernel::Cell c = kernel::cell(v, name);
    kernel::Switches s = kernel::switches_of(v);
    out += "  " + v + std::string(6 - v.size(), ' ') + kernel::get_switch(s, name) + "  (" +
           kernel::grade_name(c.grade) + "; " + c.source + ")\n";
  }
  return out;
}

}  // namespace

Result<Scenario> load_text(std::string_view text, const std::string& name, const LoadOptions& options) {
  const auto chain = read_chain(std::string(text), name);
  if (!chain) return tl::make_unexpected(chain.error());
  return build(*chain, options, name, name_of(name));
}

Result<Scenario> load(const std::string& path_or_name, const LoadOptions& options) {
  const auto path = locate(path_or_name, options.search_dirs);
  if (!path) return tl::make_unexpected(path.error());
  const std::string file = path->lexically_normal().string();
  const auto text = read_file(file, {file, 0, {}, {}});
  if (!text) return tl::make_unexpected(text.error());
  if (is_fio_file(*path)) return from_fio(*text, file, options);
  if (path->extension() == ".json") return load_result(*text, file, options);
  if (is_cluster_file(file))
    return tl::make_unexpected(Error{file, 0, "this is a fleet of nodes, not one", "wakepath cluster " + file});
  return load_text(*text, file, options);
}

const std::vector<KeyInfo>& list_keys() {
  static const std::vector<KeyInfo> all = [] {
    std::vector<KeyInfo> out;
    for (const Key& k : schema()) out.push_back(info_of(k));
    return out;
  }();
  return all;
}

Result<std::string> explain(const std::string& key) {
  const Error where{key, 0, {}, {}};
  auto path = split_path(key, where);
  if (!path) return tl::make_unexpected(path.error());
  const Lookup found = find_key(*path);
  if (found.key == nullptr) {
    if (is_section(*path)) {
      std::string out = join_path(*path) + ": a section with the keys\n";
      for (const Key& k : schema()) {
        bool below = k.parts.size() > path->size();
        for (std::size_t i = 0; below && i < path->size(); ++i) below = k.parts[i] == "*" || k.parts[i] == (*path)[i];
        if (below) out += "  " + k.pattern + ": " + k.doc + "\n";
      }
      return out;
    }
    if (path->size() == 3 && (*path)[0] == "workload") {
      const FioOptionInfo option = fio_option((*path)[2]);
      if (option.kind == FioOption::unmodelled) return key + ": an option of fio's that is not modelled\n";
      if (option.kind != FioOption::unknown)
        return key + ": an option of fio's, accepted; it is no key of the model itself\n";
    }
    Error e = unknown_key(*path, where);
    e.file.clear();
    return tl::make_unexpected(e);
  }
  const KeyInfo info = info_of(*found.key);
  std::string out = info.key + "\n  " + info.doc + "\n  type: " + info.type + "\n";
  if (!info.unit.empty()) out += "  unit: " + info.unit + "\n";
  if (!info.default_value.empty() && info.default_value != "\"\"") out += "  default: " + info.default_value + "\n";
  if (path->size() == 3 && (*path)[1] == "switches") out += explain_switch((*path)[2]);
  return out;
}

}  // namespace wakepath::scenario
