// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/document.h"

#include <algorithm>

#include "models/scenario/schema.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

using Kind = Value::Kind;

bool starts_with(const Path& path, const Path& prefix) {
  return path.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

// cpu.weight and cpu.shares are two spellings of one property: the later layer's replaces the other.
Path twin(const Path& path) {
  if (path.size() != 4 || path[0] != "cgroup" || path[2] != "cpu") return {};
  if (path[3] == "weight") return {path[0], path[1], path[2], "shares"};
  if (path[3] == "shares") return {path[0], path[1], path[2], "weight"};
  return {};
}

class Flattener {
 public:
  explicit Flattener(const std::string& file) : file_(file) {}

  std::optional<Error> walk(const Path& path, const Value& v) {
    if (path.size() == 3 && path[0] == "workload") return add_fio_option(out, path[1], path[2], v, file_, v.line);
    const Lookup found = find_key(path);
    if (v.is(Kind::table) && (found.key == nullptr || found.key->type != Type::dist)) {
      if (!is_section(path)) return unknown_key(path, {file_, v.line, {}, {}});
      // A named section exists even when it is empty.
      if (path.size() == 2) out.entries.push_back({path, v, file_, v.line, {}});
      for (const auto& [name, field] : v.fields) {
        Path below = path;
        below.push_back(name);
        if (auto bad = walk(below, field)) return bad;
      }
      return std::nullopt;
    }
    if (found.key == nullptr) {
      if (is_section(path)) {
        return Error{file_, v.line, "'" + join_path(path) + "' is a section, not a value",
                     "write its keys under [" + join_path(path) + "]"};
      }
      return unknown_key(path, {file_, v.line, {}, {}});
    }
    Entry e{found.path, v, file_, v.line, found.unit_rule};
    if (const Path other = twin(e.path); !other.empty()) {
      for (const Entry& earlier : out.entries) {
        if (earlier.path == other) {
          return e.error(join_path(e.path) + " and " + join_path(other) + " are both given", "keep one of them");
        }
      }
    }
    out.entries.push_back(std::move(e));
    return std::nullopt;
  }

  Layer out;

 private:
  const std::string& file_;
};

}  // namespace

void Document::put(const Entry& e) {
  if (const Path other = twin(e.path); !other.empty()) {
    if (const auto it = index_.find(join_path(other)); it != index_.end()) {
      entries_[it->second].value.kind = Kind::table;  // withdrawn: an empty table says nothing
      entries_[it->second].value.fields.clear();
      entries_[it->second].path.resize(2);
      index_.erase(it);
    }
  }
  const auto [it, fresh] = index_.emplace(join_path(e.path), entries_.size());
  if (fresh)
    entries_.push_back(e);
  else
    entries_[it->second] = e;
}

void Document::put(const Layer& layer) {
  for (const Entry& e : layer.entries) put(e);
  for (const auto& n : layer.notes) {
    if (std::find(notes_.begin(), notes_.end(), n) == notes_.end()) notes_.push_back(n);
  }
  for (const auto& i : layer.ignored) {
    if (std::find(ignored_.begin(), ignored_.end(), i) == ignored_.end()) ignored_.push_back(i);
  }
}

std::vector<std::string> Document::notes() const {
  std::vector<std::string> out = notes_;
  std::vector<std::string> jobs;
  for (const auto& [job, option] : ignored_) {
    if (std::find(jobs.begin(), jobs.end(), job) == jobs.end()) jobs.push_back(job);
  }
  for (const auto& job : jobs) {
    std::string line;
    for (const auto& [owner, option] : ignored_) {
      if (owner == job) line += (line.empty() ? "" : ", ") + option;
    }
    out.push_back("workload " + job + ": accepted without effect on the model: " + line);
  }
  return out;
}

const Entry* Document::find(const Path& path) const {
  const auto it = index_.find(join_path(path));
  return it == index_.end() ? nullptr : &entries_[it->second];
}

bool Document::has_section(const Path& prefix) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return starts_with(e.path, prefix); });
}

void Document::drop_section(const std::string& first_part) {
  std::erase_if(entries_, [&](const Entry& e) { return e.path.front() == first_part; });
  index_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(join_path(entries_[i].path), i);
}

Result<Layer> flatten(const Value& table, const std::string& file) {
  Flattener f(file);
  for (const auto& [name, value] : table.fields) {
    if (auto bad = f.walk({name}, value)) return tl::make_unexpected(*bad);
  }
  return std::move(f.out);
}

Result<Layer> read_set(const std::string& set) {
  const Error where{"--set " + set, 0, {}, {}};
  if (auto bad = check_text(set, where.file)) {
    bad->line = 0;
    return tl::make_unexpected(*bad);
  }
  // The '=' that ends the key is the first one outside quotes.
  char quote = 0;
  std::size_t equals = std::string::npos;
  for (std::size_t i = 0; i < set.size() && equals == std::string::npos; ++i) {
    if (quote != 0)
      quote = set[i] == quote ? '\0' : quote;
    else if (set[i] == '"' || set[i] == '\'')
      quote = set[i];
    else if (set[i] == '=')
      equals = i;
  }
  if (equals == std::string::npos) {
    Error e = where;
    e.message = "there is no '='";
    e.suggestion = "write --set KEY=VALUE";
    return tl::make_unexpected(e);
  }
  auto path = split_path(set.substr(0, equals), where);
  if (!path) return tl::make_unexpected(path.error());
  const std::string text(trim(std::string_view(set).substr(equals + 1)));
  if (text.empty()) {
    Error e = where;
    e.message = "the value is empty";
    e.suggestion = "write --set KEY=VALUE, or KEY='\"\"' for an empty string";
    return tl::make_unexpected(e);
  }
  Value value = Value::of(text);
  if (const auto parsed = parse_toml("v = " + text, {}); parsed && parsed->fields.size() == 1) {
    value = parsed->fields.front().second;
  }
  const Lookup found = find_key(*path);
  // What a shell passes has no type: a number where the key wants text is that text.
  if (found.key != nullptr &&
      (found.key->type == Type::text || found.key->type == Type::any || found.key->type == Type::choice) &&
      !value.is(Kind::table) && !value.is(Kind::array) && !value.is(Kind::string)) {
    value = Value::of(text);
  }
  Flattener f(where.file);
  if (auto bad = f.walk(*path, value)) {
    bad->line = 0;
    return tl::make_unexpected(*bad);
  }
  for (Entry& e : f.out.entries) e.line = 0;
  return std::move(f.out);
}

}  // namespace wakepath::scenario
