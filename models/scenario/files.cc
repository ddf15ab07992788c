// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario files on disk: reading them, following `extends`, finding platforms and cost tables by name.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "models/scenario/document.h"
#include "models/scenario/suggest.h"

namespace wakepath::scenario {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxExtends = 16;  // longer chains are cycles

bool is_file(const fs::path& p) {
  std::error_code ec;
  return fs::is_regular_file(p, ec);
}

fs::path folder_of(const std::string& file) {
  const fs::path parent = fs::path(file).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// Folders that may hold KIND/: those above the file that names it, then the search folders.
std::vector<fs::path> fragment_roots(const std::string& file, const std::vector<std::string>& search_dirs) {
  std::vector<fs::path> roots;
  std::error_code ec;
  fs::path at = fs::absolute(folder_of(file), ec);
  for (int i = 0; i < 32 && !at.empty(); ++i) {
    roots.push_back(at);
    roots.push_back(at / "scenarios");
    if (at == at.parent_path()) break;
    at = at.parent_path();
  }
  for (const auto& d : search_dirs) roots.emplace_back(d);
  return roots;
}

std::vector<std::string> names_in(const std::vector<fs::path>& roots, const std::string& kind) {
  std::set<std::string> names;
  for (const auto& root : roots) {
    std::error_code ec;
    for (const auto& f : fs::directory_iterator(root / kind, ec)) {
      if (f.path().extension() == ".toml") names.insert(f.path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace

Result<std::string> read_file(const std::string& path, const Error& where) {
  const auto fail = [&](const std::string& what, const std::string& suggestion) {
    Error e = where;
    e.message = what;
    e.suggestion = suggestion;
    return tl::make_unexpected(e);
  };
  std::error_code ec;
  if (!fs::exists(path, ec)) {
    std::vector<std::string> beside;
    for (const auto& f : fs::directory_iterator(folder_of(path), ec)) beside.push_back(f.path().filename().string());
    std::sort(beside.begin(), beside.end());
    const std::string near = did_you_mean(fs::path(path).filename().string(), beside);
    return fail("no such file: " + path, near.empty() ? "check the path" : near);
  }
  if (!is_file(path)) return fail("not a file: " + path, "give a scenario file, or a folder with scenario.toml");
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail("cannot read " + path, "check its permissions");
  return text.str();
}

Result<std::string> find_fragment(const std::string& kind, const Entry& named_by,
                                  const std::vector<std::string>& search_dirs) {
  const std::string& name = named_by.value.text;
  if (name.size() > 5 && name.compare(name.size() - 5, 5, ".toml") == 0) {
    const fs::path here = folder_of(named_by.file) / name;
    if (is_file(here)) return here.string();
    if (is_file(name)) return name;
  } else {
    const auto roots = fragment_roots(named_by.file, search_dirs);
    for (const auto& root : roots) {
      const fs::path candidate = root / kind / (name + ".toml");
      if (is_file(candidate)) return candidate.lexically_normal().string();
    }
    const auto known = names_in(roots, kind);
    std::string list;
    for (const auto& k : known) list += (list.empty() ? "" : ", ") + k;
    const std::string near = did_you_mean(name, known);
    return tl::make_unexpected(named_by.error("no " + kind + "/" + name + ".toml", !near.empty() ? near
                                                                                   : list.empty()
                                                                                       ? "give a path"
                                                                                       : "there are: " + list));
  }
  return tl::make_unexpected(named_by.error("no such file: " + name, "paths are relative to the file that names them"));
}

Result<std::vector<Layer>> read_chain(const std::string& text, const std::string& file, int depth) {
  const auto table = parse_toml(text, file);
  if (!table) return tl::make_unexpected(table.error());
  auto layer = flatten(*table, file);
  if (!layer) return tl::make_unexpected(layer.error());
  std::vector<Layer> chain;
  const auto extends = std::find_if(layer->entries.begin(), layer->entries.end(),
                                    [](const Entry& e) { return e.path == Path{"extends"}; });
  if (extends != layer->entries.end()) {
    if (!extends->value.is(Value::Kind::string)) {
      return tl::make_unexpected(extends->error("extends must be a string", "write extends = \"scenario.toml\""));
    }
    if (depth >= kMaxExtends) {
      return tl::make_unexpected(
          extends->error("the chain of extends does not end", "look for files that extend each other"));
    }
    const std::string base = (folder_of(file) / extends->value.text).lexically_normal().string();
    const auto base_text = read_file(base, extends->error({}));
    if (!base_text) return tl::make_unexpected(base_text.error());
    auto below = read_chain(*base_text, base, depth + 1);
    if (!below) return tl::make_unexpected(below.error());
    chain = std::move(*below);
    layer->entries.erase(extends);
  }
  chain.push_back(std::move(*layer));
  return chain;
}

bool is_cluster_file(const std::string& file, int depth) {
  std::ifstream in(file);
  std::string line, base;
  while (std::getline(in, line)) {
    if (line.rfind("[node.", 0) == 0) return true;
    const auto open = line.find('"'), close = line.rfind('"');
    if (line.rfind("extends", 0) == 0 && open < close) base = line.substr(open + 1, close - open - 1);
  }
  return !base.empty() && depth < kMaxExtends && is_cluster_file((folder_of(file) / base).string(), depth + 1);
}

std::vector<std::string> list_scenarios(const std::vector<std::string>& search_dirs) {
  std::set<std::string> names;
  for (const auto& dir : search_dirs) {
    std::error_code ec;
    for (const auto& d : fs::directory_iterator(dir, ec)) {
      if (!d.is_directory(ec) || d.path().filename() == "platforms" || d.path().filename() == "costs") continue;
      const std::string folder = d.path().filename().string();
      std::error_code inner;
      for (const auto& f : fs::directory_iterator(d.path(), inner)) {
        if (f.path().extension() != ".toml" || f.path().filename() == "expected.toml") continue;
        if (is_cluster_file(f.path().string())) continue;
        const std::string stem = f.path().stem().string();
        names.insert(stem == "scenario" ? folder : folder + "/" + stem);
      }
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace wakepath::scenario
